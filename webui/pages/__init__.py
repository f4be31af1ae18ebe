"""The plain pages around the chat: signing in, accepting an invitation, the people of the house."""
