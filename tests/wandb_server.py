"""As much of a W&B server as a run needs; it falls silent when the file that it is told of appears."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SILENCE = Path(sys.argv[1])


class Handler(BaseHTTPRequestHandler):
    """Answers what the client waits for."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if SILENCE.exists():
            threading.Event().wait()
        asked = json.loads(body) if self.path == "/graphql" else {}
        text = json.dumps({"data": data(str(asked.get("query", "")), asked.get("variables") or {})}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *args: object) -> None:
        """Nothing."""


def data(query: str, variables: dict[str, Any]) -> dict[str, Any]:
    """The answer to a question of W&B's client."""
    if "mutation UpsertBucket" in query:
        project = {"id": "p", "name": variables.get("project"), "entity": {"id": "e", "name": "me"}}
        bucket = {"id": "b", "name": variables.get("name"), "displayName": "run", "config": "{}", "project": project}
        return {"upsertBucket": {"inserted": True, "bucket": bucket | {"historyLineCount": 0}}}
    if "mutation CreateRunFiles" in query:
        address = f"http://127.0.0.1:{server.server_address[1]}/upload"
        files = [{"name": name, "uploadUrl": address} for name in variables["files"]]
        return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}
    versions = {"min_cli_version": "0.1", "max_cli_version": "9.9.9"}
    viewer = {"id": "u", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}}
    return {"viewer": viewer, "serverInfo": {"cliVersionInfo": versions, "features": []}}


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True

if __name__ == "__main__":
    print(server.server_address[1], flush=True)
    server.serve_forever()
