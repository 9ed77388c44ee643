#pragma once

namespace toccata {

// Several functions as one visitor: std::visit(Overloaded{[](const A&) {}, [](const auto&) {}}, variant).
template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

}  // namespace toccata
