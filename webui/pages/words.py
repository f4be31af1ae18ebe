"""What the plain pages say, in English and Russian."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Language = Literal["en", "ru"]

WORDS: Mapping[str, tuple[str, str]] = {
    "tagline": ("A small chat at home, with open models.", "Небольшой домашний чат с открытыми моделями."),
    "sign_in": ("Sign in", "Вход"),
    "sign_in_do": ("Sign in", "Войти"),
    "sign_in_hint": (
        "No account yet? Ask the owner of this Samovar for an invitation.",
        "Ещё нет имени? Попросите приглашение у владельца этого самовара.",
    ),
    "sign_out": ("Sign out", "Выйти"),
    "name": ("Name", "Имя"),
    "password": ("Password", "Пароль"),
    "password_old": ("Your password now", "Нынешний пароль"),
    "password_new": ("New password", "Новый пароль"),
    "password_hint": ("At least {least} characters.", "Не короче {least} символов."),
    "name_hint": ("As the family will see it; you sign in with it.", "Так вас увидят дома; с ним вы будете входить."),
    "join": ("You are invited", "Вас приглашают"),
    "join_intro": (
        "Pick a name and a password. Your chats will be yours alone, on any device.",
        "Выберите имя и пароль. Ваши чаты будут только вашими — на любом устройстве.",
    ),
    "join_do": ("Come in", "Войти в дом"),
    "join_closed": ("This invitation is no longer good", "Приглашение больше не действует"),
    "join_closed_hint": (
        "It was used already, or a week has passed. Ask the owner for a new one.",
        "Им уже воспользовались, или прошла неделя. Попросите у владельца новое.",
    ),
    "join_have_account": ("I have an account: sign in", "У меня уже есть имя: войти"),
    "people": ("People", "Люди"),
    "account": ("Your account", "Вы"),
    "back": ("Back to the chats", "Назад к чатам"),
    "you": ("you", "это вы"),
    "owner": ("owner", "владелец"),
    "owner_nameless": ("Owner", "Владелец"),
    "remove": ("Remove", "Удалить"),
    "remove_sure": (
        "Remove {name} with all their chats? This cannot be undone.",
        "Удалить имя «{name}» вместе со всеми чатами? Вернуть их будет нельзя.",
    ),
    "remove_do": ("Yes, remove", "Да, удалить"),
    "invite": ("Invite somebody", "Пригласить"),
    "invite_intro": (
        "An invitation is a link for one guest. It works once, within a week.",
        "Приглашение — это ссылка для одного гостя. Она сработает один раз, в течение недели.",
    ),
    "invite_do": ("Make an invitation", "Сделать приглашение"),
    "invite_another": ("Make another one", "Сделать ещё одно"),
    "invite_ready": ("The invitation is ready", "Приглашение готово"),
    "invite_send": (
        "Let the guest point a phone's camera at it, or send them the link. It is shown only now.",
        "Пусть гость наведёт камеру телефона, или отправьте ему ссылку. Она показана только сейчас.",
    ),
    "invite_link": ("Link", "Ссылка"),
    "invite_local": (
        "This address works on this machine only.",
        "Этот адрес работает только на этом компьютере.",
    ),
    "keys": ("Keys for programs", "Ключи для программ"),
    "keys_intro": (
        "With a key, a program that speaks OpenAI's API asks the model in your name.",
        "С ключом программа, которая умеет обращаться к API OpenAI, спрашивает модель от вашего имени.",
    ),
    "key_new": ("The new key", "Новый ключ"),
    "key_once": ("Copy it now: it is not shown again.", "Скопируйте его сейчас: больше он показан не будет."),
    "key_nameless": ("Key", "Ключ"),
    "key_label": ("What it is for", "Для чего он"),
    "key_do": ("Make a key", "Сделать ключ"),
    "revoke": ("Revoke", "Отозвать"),
    "revoke_sure": (
        "Programs that use this key will be refused from now on.",
        "Программы с этим ключом больше не смогут войти.",
    ),
    "revoke_do": ("Yes, revoke", "Да, отозвать"),
    "copy": ("Copy", "Скопировать"),
    "copied": ("Copied", "Скопировано"),
    "home_only": (
        "Samovar serves this machine only, and whoever sits at it is the owner. "
        "Start it with --listen to let the family in over the home network.",
        "Самовар работает только на этом компьютере, и кто за ним сидит, тот и владелец. "
        "Чтобы пустить домашних по сети, запустите его с ключом --listen.",
    ),
    "password_change": ("Change the password", "Сменить пароль"),
    "password_change_hint": (
        "You will be signed out on your other devices.",
        "На других устройствах придётся войти снова.",
    ),
    "done_password": ("The password is changed.", "Пароль изменён."),
    "done_revoked": ("The key is revoked.", "Ключ отозван."),
    "done_removed": ("The account is removed.", "Имя удалено."),
    "sign_in_failed": ("Name and password do not match.", "Имя и пароль не подходят друг к другу."),
    "too_many_attempts": (
        "Too many attempts. Try again in {seconds} s.",
        "Слишком много попыток. Попробуйте снова через {seconds} с.",
    ),
    "bad_password": (
        "A password needs {least} to {most} characters.",
        "Пароль должен быть длиной от {least} до {most} символов.",
    ),
    "bad_name": ("This name cannot be used.", "Такое имя не подходит."),
    "bad_name_empty": ("Please give a name.", "Пожалуйста, назовитесь."),
    "bad_name_too_long": ("A name has at most 40 characters.", "В имени не больше 40 символов."),
    "bad_name_invisible": (
        "The name contains characters that cannot be seen.",
        "В имени есть символы, которых не видно.",
    ),
    "bad_name_taken": (
        "This name is taken, or looks just like one that is. Please pick another one.",
        "Это имя уже занято или выглядит так же, как занятое. Выберите другое.",
    ),
    "trouble": ("Something went wrong. Please try again.", "Что-то пошло не так. Попробуйте ещё раз."),
    "not_found": ("There is nothing here.", "Здесь ничего нет."),
    "storage_full": ("There is no room left on the disk.", "На диске не осталось места."),
}


def say(language: Language, key: str, **details: object) -> str:
    """Return a sentence. Raises KeyError for an unknown key or a missing detail."""
    return WORDS[key][language == "ru"].format(**details)
