// Pages that came, but hold nothing to read: a model is better told so than shown a cookie banner and "Loading...".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace toccata::tools {

enum class Obstacle { kNone, kScript, kChallenge, kLogin, kEmpty };

// What a quick look at HTML in UTF-8 finds; linear in its size.
struct PageLook {
  std::size_t n_visible = 0;   // characters outside tags, scripts, styles, title and noscript
  std::size_t n_noscript = 0;  // those inside noscript
  std::size_t n_links = 0;
  std::size_t n_scripts = 0;
  bool has_media = false;            // images, frames, forms: something, if not words
  bool has_password_field = false;
  bool asks_for_script = false;      // a noscript that names JavaScript
  bool has_app_root = false;         // the empty element that a script fills
  bool has_challenge = false;        // marks of the services that let browsers only past
  std::optional<std::string> refresh;  // where <meta http-equiv=refresh> leads within five seconds
};

PageLook look_at_page(std::string_view html);

Obstacle obstacle_of(const PageLook& page);

// For the model: what it is and what to do instead. "" for kNone.
std::string words_for(Obstacle obstacle);

}  // namespace toccata::tools
