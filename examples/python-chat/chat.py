"""A chat in the terminal whose memory is Threadkeep, over HTTP, with only Python's standard library.

`npm run example -- python-chat` starts it. Each line is a question; an empty one ends the chat, and so does Ctrl-C.
"""

import json
import os
import random
import signal
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

TIMEOUT_SECONDS = 30
TRIES = 4


class ThreadkeepError(Exception):
    """A refusal of the service. Programs rely on its code; its detail tells people what to do next."""

    def __init__(self, status, problem):
        super().__init__(f"{problem.get('code', 'unexpected_answer')}: {problem.get('detail', status)}")
        self.status = status
        self.code = problem.get("code")
        self.errors = problem.get("errors", [])


class Threadkeep:
    def __init__(self, url, key, user=None):
        self.url = url.rstrip("/")
        self.headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        if user is not None:
            # A header holds ASCII alone: other characters go percent-encoded behind a mark.
            self.headers["Threadkeep-User"] = user if user.isascii() else "UTF-8''" + urllib.parse.quote(user, safe="")

    def append(self, session_id, role, content, context=None):
        # The id is made before the first try: whatever is sent twice is stored once.
        message = {"id": str(uuid.uuid4()), "role": role, "content": content}
        body = {"messages": [message]} if context is None else {"messages": [message], "context": context}
        return self._call("POST", f"/sessions/{session_id}/messages", body)

    def context(self, session_id, **request):
        return self._call("POST", f"/sessions/{session_id}/context", request)

    def _call(self, method, path, body):
        request = urllib.request.Request(
            self.url + "/v1" + path, json.dumps(body).encode(), self.headers, method=method
        )
        for attempt in range(1, TRIES + 1):
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code not in (429, 503) or attempt == TRIES:
                    raise ThreadkeepError(error.code, problem_of(error)) from None
                pause = float(error.headers.get("Retry-After", 0))
            except (urllib.error.URLError, TimeoutError, ConnectionError):
                if attempt == TRIES:
                    raise
                pause = 0
            time.sleep(pause + random.uniform(0.1, 0.2) * 2**attempt)


def problem_of(error):
    try:
        return json.load(error)
    except ValueError:
        return {}


def complete(messages):
    """Call your model here. This example needs none."""
    return f"I have {len(messages)} messages in mind; the last one is {messages[-1]['content']!r}."


def ask():
    """The next question; an empty one at the end of the input."""
    print("You: ", end="", flush=True)
    return sys.stdin.readline().strip()


def main():
    memory = Threadkeep(os.environ["THREADKEEP_URL"], os.environ["THREADKEEP_API_KEY"], user="somebody")
    session_id = sys.argv[1] if len(sys.argv) > 1 else "python-example"
    while (question := ask()) != "":
        wanted = {"format": "openai-chat", "query": "auto"}
        answer = complete(memory.append(session_id, "user", question, wanted)["context"]["messages"])
        memory.append(session_id, "assistant", answer)
        print(answer, flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        # Ctrl-C reaches a program under npm more than once.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    print()
