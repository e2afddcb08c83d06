# SPDX-License-Identifier: MIT
"""A client of the Debug Adapter Protocol, as editors speak it with lldb-dap, for tests."""

import json
import os
import re
import select
import time


class DapError(Exception):
    pass


class Dap:
    """`process`: a started adapter (harness.Process with a pipe as its standard input)."""

    def __init__(self, process, timeout=90):
        self.popen, self.timeout = process.popen, timeout
        self.data = b""
        self.number = 0
        self.messages = []

    def send(self, command, **arguments):
        """Ask without waiting; the number that the answer will have."""
        self.number += 1
        body = json.dumps({"seq": self.number, "type": "request", "command": command,
                           "arguments": arguments}).encode()
        self.popen.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.popen.stdin.flush()
        return self.number

    def parse(self):
        head = re.match(rb"Content-Length: (\d+)\r\n\r\n", self.data)
        if not head or len(self.data) < head.end() + int(head.group(1)):
            return False
        end = head.end() + int(head.group(1))
        self.messages.append(json.loads(self.data[head.end():end]))
        self.data = self.data[end:]
        return True

    def until(self, fits, what):
        """The first message that fits, of those that came or will."""
        end, seen = time.monotonic() + self.timeout, 0
        while True:
            for message in self.messages[seen:]:
                if fits(message):
                    return message
            seen = len(self.messages)
            if self.parse():
                continue
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.popen.stdout], [], [], left)[0]:
                raise DapError("no %s within %d s, but %s" % (what, self.timeout, self.messages))
            more = os.read(self.popen.stdout.fileno(), 65536)
            if not more:
                raise DapError("the adapter ended before %s: %s" % (what, self.messages))
            self.data += more

    def event(self, name):
        return self.until(lambda m: m["type"] == "event" and m["event"] == name, name)

    def answer(self, number):
        found = self.until(lambda m: m["type"] == "response" and m["request_seq"] == number,
                           "answer to %d" % number)
        if not found["success"]:
            raise DapError(str(found))
        return found.get("body", {})

    def ask(self, command, **arguments):
        return self.answer(self.send(command, **arguments))
