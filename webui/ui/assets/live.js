// The channel from the server: numbered frames of patches. After a gap or a break everything is asked for again.

const FIRST_WAIT = 300;
const LONGEST_WAIT = 5000;
const SIGNED_OUT = 4401;

export class Live {
  /** `heard(patches)` gets what comes in one frame; `changed(connected)` tells when the connection comes and goes. */
  constructor(page, language, heard, changed) {
    this.page = page;
    this.language = language;
    this.heard = heard;
    this.changed = changed;
    this.wait = FIRST_WAIT;
    this.chat = null;
    this.socket = null;
    // A phone that wakes up should not sit out the longest wait.
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.hurry(); });
  }

  get connected() { return this.socket !== null && this.socket.readyState === WebSocket.OPEN; }

  open() {
    clearTimeout(this.timer);
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/live?page=${this.page}&lang=${this.language}`);
    this.socket = socket;
    this.next = 0;
    socket.addEventListener("open", () => {
      this.wait = FIRST_WAIT;
      this.send({ watch: this.chat });
      this.changed(true);
    });
    socket.addEventListener("message", (event) => { if (socket === this.socket) this.take(JSON.parse(event.data)); });
    socket.addEventListener("close", (event) => { if (socket === this.socket) this.closed(event.code); });
  }

  /** Show another chat from now on. */
  watch(chat) {
    this.chat = chat;
    this.send({ watch: chat });
  }

  send(message) {
    if (this.connected) this.socket.send(JSON.stringify(message));
  }

  take(frame) {
    if (frame.n !== this.next) {
      this.socket.close();
      return;
    }
    this.next += 1;
    this.heard(frame.patches);
  }

  closed(code) {
    this.changed(false);
    if (code === SIGNED_OUT) {
      location.href = "/sign-in";
      return;
    }
    this.timer = setTimeout(() => this.open(), this.wait);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
  }

  hurry() {
    if (this.socket !== null && this.socket.readyState === WebSocket.CLOSED) this.open();
  }
}
