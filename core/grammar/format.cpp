#include "core/grammar/format.h"

#include <array>
#include <utility>

namespace toccata::grammar {
namespace {

#define YEAR_LEAP \
  "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
// Years 0001-9999: some date libraries have no year 0.
#define YEAR "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
#define DATE                                                                                    \
  "(?:" YEAR "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)" \
  "|02-(?:0[1-9]|1[0-9]|2[0-8]))|" YEAR_LEAP "-02-29)"
#define CLOCK "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?"
#define ZONE "(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
#define ATOM "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
#define LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define OCTET "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define IPV4 OCTET "(?:\\." OCTET "){3}"
#define H16 "[0-9a-fA-F]{1,4}"
#define PCHAR "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
#define PATH "(?:/" PCHAR "*)*"
#define TAIL "(?:\\?(?:" PCHAR "|[/?])*)?(?:#(?:" PCHAR "|[/?])*)?"
#define HOST "(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)(?:\\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
#define URI "[A-Za-z][A-Za-z0-9+.-]*:(?://" HOST "(?::[0-9]{1,4})?" PATH "|" PCHAR "+" PATH ")" TAIL

constexpr std::string_view kDuration =
    "P(?:[0-9]{1,9}W|(?:[0-9]{1,9}Y(?:[0-9]{1,9}M(?:[0-9]{1,9}D)?)?|[0-9]{1,9}M(?:[0-9]{1,9}D)?|[0-9]{1,9}D)"
    "(?:T(?:[0-9]{1,9}H(?:[0-9]{1,9}M(?:[0-9]{1,9}S)?)?|[0-9]{1,9}M(?:[0-9]{1,9}S)?|[0-9]{1,9}S))?"
    "|T(?:[0-9]{1,9}H(?:[0-9]{1,9}M(?:[0-9]{1,9}S)?)?|[0-9]{1,9}M(?:[0-9]{1,9}S)?|[0-9]{1,9}S))";

constexpr std::string_view kIpv6 =
    "(?:(?:" H16 ":){7}" H16 "|(?:" H16 ":){1,7}:|(?:" H16 ":){1,6}:" H16 "|(?:" H16 ":){1,5}(?::" H16 "){1,2}"
    "|(?:" H16 ":){1,4}(?::" H16 "){1,3}|(?:" H16 ":){1,3}(?::" H16 "){1,4}|(?:" H16 ":){1,2}(?::" H16 "){1,5}"
    "|" H16 ":(?::" H16 "){1,6}|:(?:(?::" H16 "){1,7}|:)|(?:" H16 ":){6}" IPV4 "|::(?:ffff:)?" IPV4 ")";

constexpr std::array<std::pair<std::string_view, std::string_view>, 19> kPatterns = {{
    {"date-time", DATE "T" CLOCK ZONE},
    {"date", DATE},
    {"time", CLOCK ZONE},
    {"duration", kDuration},
    {"email", ATOM "+(?:\\." ATOM "+)*@" LABEL "(?:\\." LABEL ")+"},
    {"idn-email", ATOM "+(?:\\." ATOM "+)*@" LABEL "(?:\\." LABEL ")+"},
    {"hostname", "[A-Za-z0-9](?:[A-Za-z0-9-]{0,20}[A-Za-z0-9])?(?:\\.[A-Za-z](?:[A-Za-z0-9]{0,20}[A-Za-z0-9])?)*"},
    {"idn-hostname", "[A-Za-z0-9](?:[A-Za-z0-9]{0,20}[A-Za-z0-9])?(?:\\.[A-Za-z](?:[A-Za-z0-9]{0,20}[A-Za-z0-9])?)*"},
    {"ipv4", IPV4},
    {"ipv6", kIpv6},
    {"uuid", "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"},
    {"uri", URI},
    {"iri", URI},
    {"uri-reference", "(?:" URI "|(?:" PCHAR "+)?(?:/" PCHAR "+)*/?" TAIL ")"},
    {"iri-reference", "(?:" URI "|(?:" PCHAR "+)?(?:/" PCHAR "+)*/?" TAIL ")"},
    {"json-pointer", "(?:/(?:[^~/]|~[01])*)*"},
    {"relative-json-pointer", "(?:0|[1-9][0-9]*)(?:#|(?:/(?:[^~/]|~[01])*)*)"},
    {"uri-template", URI},
    {"json-pointer-uri-fragment", "#(?:/(?:" PCHAR "|~[01])*)*"},
}};

}  // namespace

Format format_of(std::string_view name) {
  for (const auto& [known, pattern] : kPatterns) {
    if (known == name) return {Format::Kind::kPattern, pattern};
  }
  if (name == "regex") return {Format::Kind::kUnsupported, {}};
  return {Format::Kind::kAnnotation, {}};
}

}  // namespace toccata::grammar
