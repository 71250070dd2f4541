#!/usr/bin/env python3
"""Can somebody without a password tell by the clock which names there are?

Starts a server of its own, asks it for known and for unknown names and clients in random order, always
with a wrong secret, and gives the chance that the slower of two answers is the one about a known name
(AUC; 0.5 is a coin). Bodies must be the same but for the request's id.

    bench/enumeration.py [BINARY] [TIMINGS]     # target/release/gatewright, 2000 of each
"""

import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "Adm1n-of-the-bench"
NAMES = 16
TRIES_FIRST = 50


class Server:
    def __init__(self, binary, folder):
        settings = {
            "LISTEN": "127.0.0.1:0",
            "DATABASE__URL": f"sqlite:{folder}/gatewright.db",
            "POLICY__DIR": ROOT / "policies",
            "POLICY__SCHEMA_DIR": ROOT / "schemas",
            "POLICY__WATCH": "false",
            "AUTH__KEY_FILE": f"{folder}/access.key",
            "AUTH__FACTORS_KEY_FILE": f"{folder}/factors.key",
            "CREDENTIALS__KEY_FILE": f"{folder}/credentials.key",
            "AUDIT__KEY_FILE": f"{folder}/audit.key",
            "AUTH__BOOTSTRAP_ADMIN_USERNAME": "admin",
            "AUTH__BOOTSTRAP_ADMIN_PASSWORD": PASSWORD,
            "RATE_LIMITS__LOGIN_IP": "1000000/minute",
            "RATE_LIMITS__LOGIN_USERNAME": "1000000/minute",
            "LOG__FORMAT": "json",
        }
        environment = {f"GATEWRIGHT_{key}": str(value) for key, value in settings.items()}
        environment["PATH"] = os.environ["PATH"]
        self.process = subprocess.Popen(
            [binary, "serve"], env=environment, cwd=folder, stderr=subprocess.PIPE, text=True
        )
        for line in self.process.stderr:
            event = json.loads(line)
            if event.get("message") == "serving":
                break
        self.address = urllib.parse.urlsplit(event["url"]).netloc
        # Nobody reads on; a full pipe would stop the server.
        subprocess.Popen(["cat"], stdin=self.process.stderr, stdout=subprocess.DEVNULL)
        self.connection = http.client.HTTPConnection(self.address)

    def post(self, path, body, content_type, token=None):
        """Status, body and the seconds from the first byte sent to the last one read."""
        headers = {"content-type": content_type}
        if token:
            headers["authorization"] = f"Bearer {token}"
        begun = time.perf_counter()
        self.connection.request("POST", path, body, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        return answer.status, text, time.perf_counter() - begun

    def json(self, path, body, token=None):
        status, text, took = self.post(path, json.dumps(body), "application/json", token)
        return status, json.loads(text), took

    def form(self, path, fields):
        kind = "application/x-www-form-urlencoded"
        status, text, took = self.post(path, urllib.parse.urlencode(fields), kind)
        return status, json.loads(text), took


def auc(known, unknown):
    """The chance that a known one took longer than an unknown one (Mann and Whitney)."""
    ranked = sorted([(it, 1) for it in known] + [(it, 0) for it in unknown])
    ranks = sum(rank for rank, (_, of_known) in enumerate(ranked, 1) if of_known)
    return (ranks - len(known) * (len(known) + 1) / 2) / (len(known) * len(unknown))


def spread(known, unknown, times=200):
    """What 95 % of resamplings of the same timings give."""
    again = lambda them: random.choices(them, k=len(them))
    found = sorted(auc(again(known), again(unknown)) for _ in range(times))
    return found[int(times * 0.025)], found[int(times * 0.975)]


def measure(what, ask, known, unknown, timings):
    """Asks about known and unknown ones in random order; all answers must be alike."""
    took, answers = {True: [], False: []}, set()
    order = [True] * (timings + TRIES_FIRST) + [False] * (timings + TRIES_FIRST)
    random.shuffle(order)
    for n, is_known in enumerate(order):
        status, body, seconds = ask(random.choice(known if is_known else unknown))
        body.pop("instance", None)
        answers.add((status, json.dumps(body, sort_keys=True)))
        if n >= 2 * TRIES_FIRST:
            took[is_known].append(seconds)
    assert len(answers) == 1, answers
    value, (low, high) = auc(took[True], took[False]), spread(took[True], took[False])
    median = lambda them: sorted(them)[len(them) // 2] * 1e3
    print(
        f"| {what} | {len(took[True])} + {len(took[False])} | {median(took[True]):.2f} | "
        f"{median(took[False]):.2f} | {value:.3f} | {low:.3f} to {high:.3f} |",
        flush=True,
    )


def main():
    binary = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/release/gatewright").resolve()
    timings = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    with tempfile.TemporaryDirectory() as folder:
        server = Server(binary, folder)
        try:
            _, pair, _ = server.json(
                "/api/v1/auth/login", {"username": "admin", "password": PASSWORD}
            )
            admin = pair["access_token"]
            known, clients = [], []
            for n in range(NAMES):
                person = {"username": f"member-{n:04}", "password": f"{PASSWORD}-{n}"}
                assert server.json("/api/v1/users", person, admin)[0] == 201
                known.append(person["username"])
                machine = {"name": f"robot{n}", "role": "agent"}
                clients.append(server.json("/api/v1/register/machine", machine, admin)[1]["client_id"])
            unknown = [f"nobody-{n:04}" for n in range(NAMES)]
            # Ids like those there are, but for their random end.
            strangers = [f"{it[:-4]}{random.randrange(1 << 16):04x}" for it in clients]
            login = lambda name: server.json(
                "/api/v1/auth/login", {"username": name, "password": "Wr0ng-pass-phrase"}
            )
            token = lambda client: server.form(
                "/oauth/token",
                {
                    "grant_type": "client_credentials",
                    "client_id": client,
                    "client_secret": "gws_wrong-wrong-wrong-wrong-wrong",
                },
            )
            print("| asked for | timings | known, ms | unknown, ms | AUC | 95 % |")
            print("|---|---|---|---|---|---|")
            measure("a password (`/api/v1/auth/login`)", login, known, unknown, timings)
            measure("a client secret (`/oauth/token`)", token, clients, strangers, timings)
        finally:
            server.process.kill()
            server.process.wait()


if __name__ == "__main__":
    main()
