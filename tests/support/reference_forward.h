// gpt-oss in double precision, written from the paper side: no cache, no blocks, no threads. The oracle of the engine.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "tests/support/tiny_checkpoint.h"

namespace toccata::testing {

class ReferenceForward {
 public:
  explicit ReferenceForward(const TinyCheckpoint& checkpoint) : c_(checkpoint), s_(checkpoint.shape()) {}

  // Logits [n][vocab] of every position.
  std::vector<std::vector<double>> run(const std::vector<int>& tokens) const {
    Rows x;
    const auto embedding = tensor("model.embed_tokens.weight");
    for (const int t : tokens) {
      x.emplace_back(embedding.begin() + t * s_.hidden, embedding.begin() + (t + 1) * s_.hidden);
    }
    for (int layer = 0; layer < s_.layers; ++layer) {
      attention(x, layer);
      experts(x, layer);
    }
    return matmul(norm(x, tensor("model.norm.weight")), tensor("lm_head.weight"), {});
  }

 private:
  using Vector = std::vector<double>;
  using Rows = std::vector<Vector>;

  Vector tensor(const std::string& name) const {
    const auto values = c_.values(name);
    return {values.begin(), values.end()};
  }
  static Rows norm(const Rows& x, const Vector& scale) {
    Rows out = x;
    for (Vector& row : out) {
      double sum = 0;
      for (const double v : row) sum += v * v;
      const double factor = 1 / std::sqrt(sum / static_cast<double>(row.size()) + 1e-5);
      for (std::size_t i = 0; i < row.size(); ++i) row[i] *= factor * scale[i];
    }
    return out;
  }
  static Rows matmul(const Rows& x, const Vector& w, const Vector& bias) {
    const std::size_t n_in = x[0].size();
    Rows out(x.size(), Vector(w.size() / n_in));
    for (std::size_t t = 0; t < x.size(); ++t) {
      for (std::size_t o = 0; o < out[t].size(); ++o) {
        double sum = bias.empty() ? 0 : bias[o];
        for (std::size_t i = 0; i < n_in; ++i) sum += w[o * n_in + i] * x[t][i];
        out[t][o] = sum;
      }
    }
    return out;
  }
  // The constants of TinyCheckpoint's config.json.
  void rotate(Vector& row, int n_heads, std::size_t position) const {
    const int half = s_.head_dim / 2;
    const auto bound = [&](double turns) {
      return half * std::log(128 / (turns * 2 * std::numbers::pi)) / std::log(10000.0);
    };
    const double low = bound(8);
    const double high = bound(1);
    const double m = 0.1 * std::log(4.0) + 1;
    for (int head = 0; head < n_heads; ++head) {
      for (int i = 0; i < half; ++i) {
        const double plain = std::pow(10000.0, -static_cast<double>(i) / half);
        const double ramp = std::clamp((i - low) / (high - low), 0.0, 1.0);
        const double angle = static_cast<double>(position) * (plain / 4 * ramp + plain * (1 - ramp));
        double& a = row[static_cast<std::size_t>(head * s_.head_dim + i)];
        double& b = row[static_cast<std::size_t>(head * s_.head_dim + i + half)];
        const double turned = a * m * std::cos(angle) - b * m * std::sin(angle);
        b = b * m * std::cos(angle) + a * m * std::sin(angle);
        a = turned;
      }
    }
  }
  void attention(Rows& x, int layer) const {
    const std::string p = "model.layers." + std::to_string(layer) + ".";
    const Rows in = norm(x, tensor(p + "input_layernorm.weight"));
    const auto project = [&](const char* name) {
      const std::string full = p + "self_attn." + name + "_proj.";
      return matmul(in, tensor(full + "weight"), tensor(full + "bias"));
    };
    Rows q = project("q");
    Rows k = project("k");
    const Rows v = project("v");
    const Vector sinks = tensor(p + "self_attn.sinks");
    for (std::size_t t = 0; t < x.size(); ++t) {
      rotate(q[t], s_.heads, t);
      rotate(k[t], s_.kv_heads, t);
    }
    Rows out(x.size(), Vector(q[0].size()));
    for (std::size_t t = 0; t < x.size(); ++t) {
      for (int head = 0; head < s_.heads; ++head) attend(q, k, v, sinks, layer, head, t, out);
    }
    const Rows added = matmul(out, tensor(p + "self_attn.o_proj.weight"), tensor(p + "self_attn.o_proj.bias"));
    for (std::size_t t = 0; t < x.size(); ++t) {
      for (std::size_t i = 0; i < x[t].size(); ++i) x[t][i] += added[t][i];
    }
  }
  void attend(const Rows& q, const Rows& k, const Rows& v, const Vector& sinks, int layer, int head, std::size_t t, Rows& out) const {
    const int kv = head / (s_.heads / s_.kv_heads);
    std::size_t first = 0;
    if (layer % 2 == 0 && t + 1 > static_cast<std::size_t>(s_.window)) first = t + 1 - static_cast<std::size_t>(s_.window);
    Vector scores;
    double sum = std::exp(sinks[static_cast<std::size_t>(head)]);
    for (std::size_t j = first; j <= t; ++j) {
      double score = 0;
      for (int i = 0; i < s_.head_dim; ++i) {
        score += q[t][static_cast<std::size_t>(head * s_.head_dim + i)] * k[j][static_cast<std::size_t>(kv * s_.head_dim + i)];
      }
      scores.push_back(std::exp(score / std::sqrt(static_cast<double>(s_.head_dim))));
      sum += scores.back();
    }
    for (std::size_t j = first; j <= t; ++j) {
      for (int i = 0; i < s_.head_dim; ++i) {
        out[t][static_cast<std::size_t>(head * s_.head_dim + i)] +=
            scores[j - first] / sum * v[j][static_cast<std::size_t>(kv * s_.head_dim + i)];
      }
    }
  }
  // Rows of one expert as a plain matrix.
  Vector decoded(const std::string& name, int expert, int n_out, int n_in) const {
    static constexpr double kValues[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
    const auto codes = c_.bytes(name + "_blocks");
    const auto scales = c_.bytes(name + "_scales");
    Vector w(static_cast<std::size_t>(n_out * n_in));
    for (std::size_t i = 0; i < w.size(); ++i) {
      const std::size_t flat = static_cast<std::size_t>(expert) * w.size() + i;
      const int byte = std::to_integer<int>(codes[flat / 2]);
      const int code = flat % 2 == 0 ? byte & 15 : byte >> 4;
      w[i] = kValues[code & 7] * (code >= 8 ? -1 : 1) * std::exp2(std::to_integer<int>(scales[flat / 32]) - 127);
    }
    return w;
  }
  void experts(Rows& x, int layer) const {
    const std::string p = "model.layers." + std::to_string(layer) + ".mlp.";
    const Rows in = norm(x, tensor("model.layers." + std::to_string(layer) + ".post_attention_layernorm.weight"));
    const Rows logits = matmul(in, tensor(p + "router.weight"), tensor(p + "router.bias"));
    for (std::size_t t = 0; t < x.size(); ++t) {
      std::vector<int> order(static_cast<std::size_t>(s_.experts));
      for (int e = 0; e < s_.experts; ++e) order[static_cast<std::size_t>(e)] = e;
      std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
        return logits[t][static_cast<std::size_t>(a)] > logits[t][static_cast<std::size_t>(b)];
      });
      double total = 0;
      for (int r = 0; r < s_.experts_per_token; ++r) total += std::exp(logits[t][static_cast<std::size_t>(order[static_cast<std::size_t>(r)])]);
      for (int r = 0; r < s_.experts_per_token; ++r) {
        const int e = order[static_cast<std::size_t>(r)];
        const Vector y = expert(p, e, in[t]);
        const double weight = std::exp(logits[t][static_cast<std::size_t>(e)]) / total;
        for (std::size_t i = 0; i < y.size(); ++i) x[t][i] += weight * y[i];
      }
    }
  }
  Vector expert(const std::string& p, int e, const Vector& in) const {
    const auto part = [&](const std::string& name, int n) {
      const Vector all = tensor(name);
      return Vector(all.begin() + e * n, all.begin() + (e + 1) * n);
    };
    const int f = s_.intermediate;
    const Vector h = matmul({in}, decoded(p + "experts.gate_up_proj", e, 2 * f, s_.hidden), part(p + "experts.gate_up_proj_bias", 2 * f))[0];
    Vector inner(static_cast<std::size_t>(f));
    for (std::size_t i = 0; i < inner.size(); ++i) {
      const double gate = std::min(h[2 * i], 7.0);
      const double up = std::clamp(h[2 * i + 1], -7.0, 7.0);
      inner[i] = gate / (1 + std::exp(-1.702 * gate)) * (up + 1);
    }
    return matmul({inner}, decoded(p + "experts.down_proj", e, s_.hidden, f), part(p + "experts.down_proj_bias", s_.hidden))[0];
  }

  const TinyCheckpoint& c_;
  const TinyShape s_;
};

}  // namespace toccata::testing
