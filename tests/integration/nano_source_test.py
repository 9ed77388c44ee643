#!/usr/bin/env python3
"""What nano is made with: wordings held apart, the generator, and (where torch is installed) the model and its files.

    python3 tests/integration/nano_source_test.py
    build/nano-venv/bin/python tests/integration/nano_source_test.py      a Python with torch: the model's tests too
"""

import pathlib
import random
import re
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples/nano"))
sys.dont_write_bytecode = True
import conversations  # noqa: E402
import functions  # noqa: E402
import phrases  # noqa: E402
import skills  # noqa: E402
import tasks  # noqa: E402
import vocabulary  # noqa: E402
import wordings  # noqa: E402

WEIGHTS = ROOT / "examples/nano/weights"
try:
    import torch

    import checkpoint
    import export
    import model
    import nano_likelihood
    import train
except ImportError:
    torch = None


class Wordings(unittest.TestCase):
    def test_held_out_wordings_are_never_drawn_for_training(self):
        cores = tasks.held_out().cores
        rng = random.Random(1)
        for wording in ("train", "seen", "dev"):
            for i in range(15000):
                kind = list(tasks.KINDS)[i % len(tasks.KINDS)]
                template = tasks.draw_wording(rng, kind, tasks.KINDS[kind][1](rng)[0].get("named"), wording)
                text = wordings.abstract(template)
                self.assertFalse([c for c in cores if c in text], template)

    def test_the_filter_knows_a_held_out_wording_in_other_clothes(self):
        held_out = wordings.HeldOut(["{e} makes what?"])
        self.assertFalse(held_out.allowed("So: {e} makes what"))
        self.assertTrue(held_out.allowed("{e} makes how much?"))

    def test_held_out_openings_are_not_trained(self):
        trained = {o.strip(" ,:.") for o in wordings.OPENINGS}
        for opening in (o.strip(" ,:.") for o in tasks.OPENINGS_UNSEEN + wordings.DEV_OPENINGS):
            self.assertTrue(not opening or opening not in trained, opening)

    def test_dev_frames_are_not_trained(self):
        trained = {wordings.abstract(f) for f in wordings.NOUN_FRAMES + wordings.VERB_FRAMES}
        for frame in wordings.DEV_NOUN_FRAMES + wordings.DEV_VERB_FRAMES:
            self.assertNotIn(wordings.abstract(frame), trained)

    def test_every_kind_has_many_wordings(self):
        for kind, offered in phrases.PHRASES.items():
            n = len(set(offered.get("nouns", []))) * len(wordings.NOUN_FRAMES) + len(set(offered["verbs"])) * len(set(wordings.VERB_FRAMES))
            self.assertGreater(n, 500, kind)

    def test_every_wording_can_be_filled(self):
        rng = random.Random(2)
        for kind in tasks.KINDS:
            for wording in ("train", "seen", "dev", "unseen"):
                for _ in range(60):
                    task = tasks.draw_task(rng, kind, wording)
                    self.assertNotRegex(task.question, r"\{\w+\}|NP|VP|NOUN|PLACE|WHO\b")


class Generator(unittest.TestCase):
    def test_same_seed_same_conversations(self):
        v = vocabulary.load(WEIGHTS / "tokenizer.json")
        draw = lambda: [conversations.conversation(random.Random(i), v) for i in range(20)]  # noqa: E731
        self.assertEqual(draw(), draw())

    def test_text_survives_the_vocabulary(self):
        v = vocabulary.load(WEIGHTS / "tokenizer.json")
        rng = random.Random(3)
        for _ in range(500):
            text = tasks.draw_task(rng, tasks.draw_kind(rng), "train").question
            self.assertEqual(v.decode(v.encode(text)), text)


class Functions(unittest.TestCase):
    def requests(self, wording: str, n: int = 800):
        rng = random.Random(6)
        return [functions.draw(rng, wording) for _ in range(n)]

    def test_arguments_fit_the_schema_and_were_said(self):
        kinds = {"string": str, "number": (int, float), "integer": int, "boolean": bool, "array": list, "object": dict}
        spoken = lambda v: [] if isinstance(v, bool) else [t for x in (v.values() if isinstance(v, dict) else v) for t in spoken(x)] if isinstance(v, (dict, list)) else [str(v)]  # noqa: E731
        for r in self.requests("train") + self.requests("unseen", 300):
            schema = r.function.schema()
            self.assertLessEqual(set(schema.get("required", [])), set(r.arguments), r)
            for name, value in r.arguments.items():
                of = schema["properties"][name]
                self.assertIsInstance(value, kinds[of["type"]], r)
                self.assertIn(value, of.get("enum", [value]), r)
                for text in spoken(value):
                    self.assertIn(text, r.question)

    def test_held_out_names_and_questions_are_never_drawn_for_training(self):
        held_out = set(functions.UNSEEN_VERBS + functions.UNSEEN_NOUNS + functions.UNSEEN_TEXTS + functions.UNSEEN_NUMBERS + functions.UNSEEN_VALUES)
        filters = wordings.HeldOut([w for entry in functions.FAMILIAR for w in entry[5]])
        for r in self.requests("train", 1500):
            names = {w for f in [r.function.name, *r.arguments] for w in re.findall("[a-z]+", re.sub("([A-Z])", r" \1", f).lower())}
            self.assertFalse(names & held_out, r)
        for entry in functions.FAMILIAR:
            for question in entry[4]:
                self.assertTrue(filters.allowed(question), question)
        rng = random.Random(9)
        for i in range(6000):
            head = functions.head_of(rng, i % 2 == 0, "train")
            self.assertTrue(functions.HELD_OUT_HEADS.allowed(functions.slots(head)), head)

    def test_a_toolbox_has_what_is_wanted_and_nothing_like_what_is_missing(self):
        rng = random.Random(7)
        for _ in range(200):
            wanted, absent = functions.draw(rng, "train").function, functions.draw(rng, "train").function
            if functions.family(wanted.name) & functions.family(absent.name):
                continue
            names = [f.name for f in functions.toolbox(rng, [wanted], 3, "train", [absent])]
            self.assertEqual(len(names), len(set(names)))
            self.assertIn(wanted.name, names)
            self.assertFalse(set(names) & functions.family(absent.name))

    def test_conversations_survive_the_vocabulary(self):
        v = vocabulary.load(WEIGHTS / "tokenizer.json")
        rng = random.Random(8)
        for _ in range(200):
            ids, weights = skills.with_functions(rng, v, "2026-01-01", "high")
            self.assertEqual(len(ids), len(weights))
            self.assertIn(v.special["<|return|>"], ids)


@unittest.skipIf(torch is None, "SKIPPED: torch and safetensors are not installed")
class Model(unittest.TestCase):
    def test_untrained_copy_circuit_continues_repeated_sequences(self):
        for seed in (1, 2, 3):
            torch.manual_seed(seed)
            net = model.Nano(model.Config(vocab=vocabulary.N_VOCAB))
            self.assertLess(model.copy_accuracy(net), 0.05)
            net.write_copy_circuit()
            accuracy = model.copy_accuracy(net)
            print(f"untrained copy accuracy, seed {seed}: {accuracy:.3f}")
            self.assertGreater(accuracy, 0.8)

    def test_mxfp4_parts_pack_and_unpack(self):
        w = torch.randn(3, 5, 64, generator=torch.Generator().manual_seed(4))
        rounded = model.mxfp4_rounded(w)
        self.assertTrue(torch.equal(checkpoint.unpack_mxfp4(*export.pack_mxfp4(w)), rounded))
        self.assertLess(((rounded - w).abs().amax() / w.abs().amax()).item(), 0.2)

    def test_shipped_weights_come_back_unchanged(self):
        v, net = checkpoint.load(WEIGHTS)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "net.pt"
            checkpoint.save(path, net, v)
            _, again = checkpoint.load(path)
        for (name, one), two in zip(net.state_dict().items(), again.state_dict().values()):
            self.assertTrue(torch.equal(one, two), name)

    def test_exporting_what_was_loaded_changes_no_value(self):
        v, net = checkpoint.load(WEIGHTS)
        with tempfile.TemporaryDirectory() as folder:
            export.write(net, v, pathlib.Path(folder))
            _, again = checkpoint.load(pathlib.Path(folder))
            for file in ("config.json", "generation_config.json", "tokenizer.json"):
                self.assertEqual((pathlib.Path(folder) / file).read_text(), (WEIGHTS / file).read_text(), file)
        for (name, one), two in zip(net.state_dict().items(), again.state_dict().values()):
            self.assertTrue(torch.equal(one, two), name)

    def test_doubled_experts_compute_the_same(self):
        v, net = checkpoint.load(WEIGHTS)
        rng = random.Random(9)
        talks = [conversations.conversation(rng, v) for _ in range(12)]
        longest = max(len(ids) for ids, _ in talks)
        tokens = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in talks])
        written = torch.tensor([weights[1:] + [0] * (longest - len(weights) + 1) for _, weights in talks]) > 0
        wider = checkpoint.doubled(net, tokens)
        self.assertEqual(wider.config.experts, 2 * net.config.experts)
        with torch.no_grad():
            before, after = net.eval()(tokens)[written].argmax(-1), wider.eval()(tokens)[written].argmax(-1)
        self.assertGreater((before == after).float().mean().item(), 0.98)

    def test_what_ships_is_surer_of_the_right_calls_than_a_random_net(self):
        v, net = checkpoint.load(WEIGHTS)
        random_net = model.Nano(net.config).eval()
        for skill, _, conversation in nano_likelihood.drawn(random.Random(4), v, 1):
            (messages, _), = nano_likelihood.lost(net.eval(), v, [conversation])
            (untrained, _), = nano_likelihood.lost(random_net, v, [conversation])
            self.assertEqual(messages.keys(), untrained.keys())
            self.assertLess(10 * sum(messages.values()), sum(untrained.values()), skill)

    def test_mean_of_a_net_and_itself_is_the_net(self):
        _, net = checkpoint.load(WEIGHTS)
        _, mean = checkpoint.mean([WEIGHTS, WEIGHTS])
        for (name, one), two in zip(net.state_dict().items(), mean.state_dict().values()):
            self.assertTrue(torch.equal(one, two), name)

    def test_conversations_too_long_for_the_model_are_not_trained(self):
        lengths = {10: 0, model.LONGEST: 0, model.LONGEST + 1: 0}

        def draw(rng):
            n = rng.choice(list(lengths))
            return [1] * n, [1.0] * n

        for pool, tokens, *_ in train.batches(1, 0, 0, draw, 3000):
            lengths[tokens.shape[1]] += len(tokens)
            if pool:
                break
        self.assertGreater(min(lengths[10], lengths[model.LONGEST]), 100)
        self.assertEqual(lengths[model.LONGEST + 1], 0)

    def test_a_sharpened_loss_goes_from_minus_log_p_to_one_minus_p(self):
        torch.manual_seed(6)
        logits, targets = 3 * torch.randn(50, 9), torch.randint(0, 9, (50,))
        p = torch.softmax(logits, -1).gather(1, targets[:, None])[:, 0]
        for q, wanted in ((0, -torch.log(p)), (1e-4, -torch.log(p)), (0.5, 2 * (1 - p.sqrt())), (1, 1 - p)):
            torch.testing.assert_close(train.token_losses(logits, targets, q), wanted, rtol=1e-3, atol=1e-5)

    def test_gradients_reach_every_weight(self):
        torch.manual_seed(5)
        net = model.Nano(model.Config(vocab=vocabulary.N_VOCAB)).train()
        tokens = torch.randint(0, vocabulary.N_VOCAB, (8, 64))
        logits = net(tokens, torch.arange(8 * 64))
        torch.nn.functional.cross_entropy(logits[:-1], tokens.reshape(-1)[1:]).backward()
        for name, p in net.named_parameters():
            self.assertTrue(p.grad is not None and p.grad.abs().sum() > 0, name)


if __name__ == "__main__":
    unittest.main()
