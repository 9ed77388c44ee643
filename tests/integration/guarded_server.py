"""An MCP server that wants a login and its authorization server, on two ports of 127.0.0.1; standard library only.

`quirks` is a set of words that tests change: each makes one of the two misbehave in one way.
"""

import base64
import hashlib
import http.server
import json
import threading
import urllib.parse


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # clients that leave in the middle of an answer


class Guarded:
    def __init__(self):
        self.quirks = set()
        self.authorization, self.resource = self._serve(AuthorizationServer), self._serve(ResourceServer)
        self.issuer = self._url(self.authorization)
        self.mcp = self._url(self.resource) + "/mcp"
        self.asked = []       # (who, method, path) of every request
        self.token_forms = []  # and what the token endpoint got
        self.registered = []
        self.challenges = {}  # by code
        self.tokens = {}      # access token -> scopes
        self.refresh_tokens = set()
        self.bearers = []     # what the MCP server was shown
        self.lifetime = 3600
        self.required = "read"

    def _serve(self, handler):
        server = Server(("127.0.0.1", 0), type(handler.__name__, (handler,), {"guarded": self}))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    @staticmethod
    def _url(server):
        return f"http://127.0.0.1:{server.server_address[1]}"

    def close(self):
        for server in (self.authorization, self.resource):
            server.shutdown()
            server.server_close()

    def count(self, who, path):
        return sum(1 for w, _, p in self.asked if w == who and p.split("?")[0] == path)

    def new_tokens(self, scopes):
        access, refresh = f"access-token-{len(self.tokens)}", f"refresh-token-{len(self.tokens)}"
        self.tokens[access] = scopes
        self.refresh_tokens = {refresh}
        return {"access_token": access, "token_type": "Bearer", "expires_in": self.lifetime, "refresh_token": refresh, "scope": " ".join(scopes)}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", headers=()):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def read_body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()


class AuthorizationServer(Handler):
    def do_GET(self):
        g = self.guarded
        g.asked.append(("authorization", "GET", self.path))
        path, _, query = self.path.partition("?")
        if path == "/.well-known/oauth-authorization-server":
            return self.metadata()
        if path == "/authorize":
            return self.authorize(dict(urllib.parse.parse_qsl(query)))
        self.reply(404)

    def metadata(self):
        g, quirks = self.guarded, self.guarded.quirks
        if "huge metadata" in quirks:
            return self.reply(200, {"issuer": g.issuer, "padding": "x" * (4 << 20)})
        if "metadata elsewhere" in quirks:
            return self.reply(302, headers=[("Location", "http://127.0.0.2:9/steal")])
        document = {
            "issuer": g.issuer,
            "authorization_endpoint": g.issuer + "/authorize",
            "token_endpoint": g.issuer + "/token",
            "registration_endpoint": g.issuer + "/register",
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_basic"],
            "authorization_response_iss_parameter_supported": True,
            "scopes_supported": ["read", "write"],
        }
        if "wrong issuer" in quirks:
            document["issuer"] = "https://evil.example"
        if "no pkce" in quirks:
            del document["code_challenge_methods_supported"]
        if "token endpoint inside" in quirks:
            document["token_endpoint"] = "https://10.0.0.1/token"
        if "nonsense metadata" in quirks:
            return self.reply(200, b"{" * 5000)
        self.reply(200, document)

    def authorize(self, query):
        g, quirks = self.guarded, self.guarded.quirks
        code = f"code-{len(g.challenges)}"
        g.challenges[code] = query
        answer = {"code": code, "state": query["state"], "iss": g.issuer}
        if "answer of another issuer" in quirks:
            answer["iss"] = "https://evil.example"
        if "denied" in quirks:
            answer = {"error": "access_denied", "error_description": "not today", "state": query["state"], "iss": g.issuer}
        g.answer = query["redirect_uri"] + "?" + urllib.parse.urlencode(answer)
        if "replay" in quirks:  # first an answer to another login
            answer["state"] = "of another login"
            g.answer, g.second_answer = query["redirect_uri"] + "?" + urllib.parse.urlencode(answer), g.answer
        self.reply(302, headers=[("Location", g.answer)])

    def do_POST(self):
        g = self.guarded
        g.asked.append(("authorization", "POST", self.path))
        body = self.read_body()
        if self.path == "/register":
            g.registered.append(json.loads(body))
            return self.reply(201, {"client_id": f"client-{len(g.registered)}", "token_endpoint_auth_method": "none"})
        if self.path == "/token":
            return self.token(dict(urllib.parse.parse_qsl(body)))
        self.reply(404)

    def token(self, form):
        g = self.guarded
        g.token_forms.append({**form, "authorization": self.headers.get("Authorization")})
        refused = lambda error: self.reply(400, {"error": error, "error_description": "said the server"})
        if form["grant_type"] == "client_credentials":
            return self.reply(200, g.new_tokens(form.get("scope", "read").split()))
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] not in g.refresh_tokens or "no refresh" in g.quirks:
                return refused("invalid_grant")
            return self.reply(200, g.new_tokens(["read"]))
        asked = g.challenges.pop(form.get("code"), None)
        if asked is None:
            return refused("invalid_grant")
        verifier = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        same = verifier == asked["code_challenge"] and form["redirect_uri"] == asked["redirect_uri"] and form["client_id"] == asked["client_id"]
        if not same or form["resource"] != asked["resource"] or asked["code_challenge_method"] != "S256":
            return refused("invalid_request")
        self.reply(200, g.new_tokens(asked.get("scope", "").split()))


class ResourceServer(Handler):
    def do_GET(self):
        g = self.guarded
        g.asked.append(("resource", "GET", self.path))
        if self.path != "/.well-known/oauth-protected-resource/mcp" or "open to all" in g.quirks:
            return self.reply(404)
        document = {"resource": g.mcp, "authorization_servers": [g.issuer], "scopes_supported": ["read"]}
        if "another resource" in g.quirks:
            document["resource"] = "https://evil.example/mcp"
        if "authorization server inside" in g.quirks:
            document["authorization_servers"] = ["https://169.254.169.254"]
        self.reply(200, document)

    def refuse(self, status, **parameters):
        text = ", ".join(f'{name}="{value}"' for name, value in parameters.items())
        self.reply(status, {"error": "no"}, headers=[("WWW-Authenticate", "Bearer " + text)])

    def do_DELETE(self):
        self.reply(405)

    def do_POST(self):
        g = self.guarded
        g.asked.append(("resource", "POST", self.path))
        message = json.loads(self.read_body())
        bearer = self.headers.get("Authorization", "")
        g.bearers.append(bearer)
        scopes = g.tokens.get(bearer.removeprefix("Bearer "))
        if "open to all" not in g.quirks and (scopes is None or "401 for all" in g.quirks):
            metadata = g.mcp.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")
            if "metadata of the cloud" in g.quirks:
                metadata = "http://169.254.169.254/latest/meta-data"
            return self.refuse(401, resource_metadata=metadata, scope=g.required)
        method = message["method"]
        if method == "tools/call" and message["params"]["name"] == "write" and "write" not in scopes:
            return self.refuse(403, error="insufficient_scope", scope="write")
        tool = lambda name: {"name": name, "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
        results = {
            "server/discover": {"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}},
            "tools/list": {"tools": [tool("show"), tool("write")]},
            "tools/call": {"content": [{"type": "text", "text": f"shown {bearer} to {message.get('params', {}).get('name')}"}]},
        }
        if method not in results:
            return self.reply(404, {"jsonrpc": "2.0", "id": message.get("id"), "error": {"code": -32601, "message": "Method not found"}})
        self.reply(200, {"jsonrpc": "2.0", "id": message.get("id"), "result": results[method]})
