#!/usr/bin/env python3
"""Responses and conversations that `toccata serve` keeps in its ledger: over restarts, kills, and beside another server."""

import json
import unittest

from live_server import CALL, COLD, HELLO, WEATHER, Server, ServerCase

FLAT = {"type": "function", **WEATHER["function"]}


class StoredResponsesTest(ServerCase):
    def test_stored_responses_survive_a_restart(self):
        script = self.program.script(CALL, COLD)
        server = self.serve("-m", script)
        first = server.post("/v1/responses", {"input": "Hi", "tools": [FLAT], "background": True, "stream": False})
        path = "/v1/responses/" + first["id"]
        events = server.request("GET", path + "?stream=true")[2]
        self.assertIn(b"response.completed", events)
        first = json.loads(server.request("GET", path)[2])
        self.assertEqual(0, server.stop())
        self.assertTrue((self.program.ledger.parent / "server.key").exists())

        server = self.serve("-m", script)
        self.assertEqual(first, json.loads(server.request("GET", path)[2]))
        self.assertEqual(events, server.request("GET", path + "?stream=true")[2])
        self.assertEqual(events.split(b"\n\n")[4:], server.request("GET", path + "?stream=true&starting_after=3")[2].split(b"\n\n"))
        self.assertEqual("Hi", json.loads(server.request("GET", path + "/input_items")[2])["data"][0]["content"][0]["text"])
        self.assertEqual("completed", json.loads(server.request("POST", path + "/cancel", {})[2])["status"])
        call = first["output"][-1]
        more = {"input": [{"type": "function_call_output", "call_id": call["call_id"], "output": "-5"}], "tools": [FLAT]}
        counted = server.post("/v1/responses/input_tokens", {**more, "previous_response_id": first["id"]})
        # All that was sampled stands there as it was, behind it only the result.
        self.assertGreater(counted["input_tokens"], first["usage"]["total_tokens"])
        second = server.post("/v1/responses", {**more, "previous_response_id": first["id"]})
        self.assertEqual(counted["input_tokens"], second["usage"]["input_tokens"])
        reference = {"input": [{"role": "user", "content": "Hi"}, {"type": "item_reference", "id": call["id"]}, *more["input"]]}
        self.assertEqual(200, server.request("POST", "/v1/responses", reference)[0])
        self.assertTrue(json.loads(server.request("DELETE", path)[2])["deleted"])
        self.error(server.request("GET", path), 404)
        self.assertEqual(200, server.request("GET", "/v1/responses/" + second["id"])[0])

    def test_a_response_whose_server_was_killed_has_failed(self):
        script = {"completions": [{"text": "<|channel|>final<|message|>a", "then": "hang"}]}
        file = self.program.home / "hangs.json"
        file.write_text(json.dumps(script))
        server = Server(self.program, "-m", f"script:{file}")
        made = server.post("/v1/responses", {"input": "Hi", "background": True})
        server.process.kill()
        server.process.wait()
        server.reader.join()
        server.process.stderr.close()
        path = "/v1/responses/" + made["id"]
        server = self.with_script(script)
        self.assertEqual("failed", json.loads(server.request("GET", path)[2])["status"])
        rest = server.request("GET", path + "?stream=true&starting_after=5")[2]
        event = json.loads(rest.split(b"data: ", 1)[1])
        self.assertEqual(("response.failed", 6), (event["type"], event["sequence_number"]))

    def test_sealed_tokens_come_back_to_a_server_that_forgot_them(self):
        include = {"include": ["reasoning.encrypted_content"], "store": False, "tools": [FLAT]}
        script = self.program.script(CALL, COLD)
        server = self.serve("-m", script)
        events = server.request("POST", "/v1/responses", {"input": "Hi", "stream": True, **include})[2].decode()
        first = json.loads(events.strip().split("data: ")[-1])["response"]
        box = first["output"][-1]
        self.assertEqual(("reasoning", [], []), (box["type"], box["content"], box["summary"]))
        self.assertTrue(box["encrypted_content"].startswith("tocc1."))
        call = next(i for i in first["output"] if i["type"] == "function_call")
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": "-5"}
        echo = [{"role": "user", "content": "Hi"}, *first["output"], result]
        again = {"input": echo, **include}
        here = server.post("/v1/responses", again)["usage"]
        self.assertEqual(first["usage"]["total_tokens"], here["input_tokens_details"]["cached_tokens"])
        self.assertEqual(0, server.stop())

        server = self.serve("-m", script)  # knows nothing but the key
        count = lambda items: server.post("/v1/responses/input_tokens", {"input": items, "tools": [FLAT]})["input_tokens"]
        self.assertEqual(here["input_tokens"], count(echo))
        # Without the words of the reasoning the box alone brings them back; without the box they are gone.
        silent = [i for i in echo if i.get("type") != "reasoning"]
        self.assertEqual(here["input_tokens"], count([*silent[:-1], box, result]))
        self.assertLess(count(silent), here["input_tokens"])
        text = box["encrypted_content"]
        for changed in (text[:-8] + ("A" if text[-8] != "A" else "B") + text[-7:], text[:40], "tocc1."):
            answer = server.request("POST", "/v1/responses", {"input": [*silent[:-1], {**box, "encrypted_content": changed}, result]})
            self.error(answer, 400, code="invalid_encrypted_content", param="input")
        # What another maker sealed is left alone.
        self.assertEqual(count(silent), count([*silent[:-1], {**box, "encrypted_content": "gAAAAA"}, result]))

    def test_conversations_grow_with_their_responses(self):
        server = self.scripted(HELLO, COLD)
        ask = {"type": "message", "role": "user", "content": "Hi"}
        made = server.post("/v1/conversations", {"metadata": {"a": "b"}, "items": [ask]})
        path = "/v1/conversations/" + made["id"]
        self.assertEqual(made, json.loads(server.request("GET", path)[2]))
        first = server.post("/v1/responses", {"input": "And?", "conversation": made["id"]})
        self.assertEqual({"id": made["id"]}, first["conversation"])
        second = server.post("/v1/responses", {"input": "More?", "conversation": {"id": made["id"]}})
        held = first["usage"]["total_tokens"]
        self.assertEqual(held - 1, second["usage"]["input_tokens_details"]["cached_tokens"])
        items = json.loads(server.request("GET", path + "/items?order=asc&limit=100")[2])["data"]
        self.assertEqual(
            ["user", "user", None, "assistant", "user", "assistant"], [i.get("role") for i in items]
        )
        one = path + "/items/" + items[0]["id"]
        self.assertEqual(items[0], json.loads(server.request("GET", one)[2]))
        self.assertEqual(200, server.request("DELETE", one)[0])
        self.error(server.request("GET", one), 404)
        self.assertEqual(1, len(server.post(path + "/items", {"items": [ask]})["data"]))
        self.assertEqual({"c": "d"}, server.post(path, {"metadata": {"c": "d"}})["metadata"])
        self.error(server.request("POST", path, {"metadata": {"c": 1}}), 400, param="metadata")
        self.error(server.request("POST", path + "/items", {}), 400, param="items")
        self.error(server.request("PUT", path, {}), 405)
        self.error(server.request("POST", "/v1/responses", {"input": "x", "conversation": "conv_none"}), 404, param="conversation")
        self.assertTrue(json.loads(server.request("DELETE", path)[2])["deleted"])
        self.error(server.request("GET", path + "/items"), 404)

    def test_a_response_that_another_server_makes(self):
        script = {"completions": [{"text": "<|channel|>final<|message|>a", "then": "hang"}]}
        busy = self.with_script(script)
        made = busy.post("/v1/responses", {"input": "Hi", "background": True})
        path = "/v1/responses/" + made["id"]
        other = self.scripted(HELLO)
        self.assertIn(json.loads(other.request("GET", path)[2])["status"], ("queued", "in_progress"))
        self.error(other.request("GET", path + "?stream=true"), 409, code="response_elsewhere", param="response_id")
        self.error(other.request("POST", path + "/cancel", {}), 409, code="response_elsewhere", param="response_id")
        self.assertEqual("cancelled", json.loads(busy.request("POST", path + "/cancel", {})[2])["status"])


if __name__ == "__main__":
    unittest.main()
