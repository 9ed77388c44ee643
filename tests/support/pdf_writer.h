// Small PDF files for tests.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

namespace toccata::testing {

// A PDF of these objects, numbered from 1; the first is the catalog, the last the information about the document.
inline std::string pdf_of(const std::vector<std::string>& objects, const std::string& more_trailer = "") {
  std::string out = "%PDF-1.4\n";
  std::vector<std::size_t> offsets;
  for (const std::string& object : objects) {
    offsets.push_back(out.size());
    out += std::to_string(offsets.size()) + " 0 obj\n" + object + "\nendobj\n";
  }
  const std::size_t table = out.size();
  out += "xref\n0 " + std::to_string(objects.size() + 1) + "\n0000000000 65535 f \n";
  for (const std::size_t offset : offsets) {
    char line[32];
    std::snprintf(line, sizeof line, "%010zu 00000 n \n", offset);
    out += line;
  }
  out += "trailer<</Size " + std::to_string(objects.size() + 1) + "/Root 1 0 R/Info " + std::to_string(objects.size()) + " 0 R" +
         more_trailer + ">>\nstartxref\n" + std::to_string(table) + "\n%%EOF\n";
  return out;
}

inline std::string pdf_stream(const std::string& bytes, const std::string& more = "") {
  return "<</Length " + std::to_string(bytes.size()) + more + ">>stream\n" + bytes + "\nendstream";
}

// `n_times` pages for each content stream object.
inline std::string pdf_of_contents(const std::vector<std::string>& contents, const std::string& title, int n_times = 1, const std::string& more_trailer = "") {
  std::vector<std::string> objects = {"<</Type/Catalog/Pages 2 0 R>>", "", "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"};
  std::string kids;
  for (const std::string& content : contents) {
    objects.push_back(content);
    const std::string number = std::to_string(objects.size());
    for (int i = 0; i < n_times; ++i) {
      objects.push_back("<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents " + number + " 0 R/Resources<</Font<</F1 3 0 R>>>>>>");
      kids += std::to_string(objects.size()) + " 0 R ";
    }
  }
  objects[1] = "<</Type/Pages/Kids[" + kids + "]/Count " + std::to_string(contents.size() * static_cast<std::size_t>(n_times)) + ">>";
  objects.push_back("<</Title(" + title + ")>>");
  return pdf_of(objects, more_trailer);
}

// Pages of one line of text each.
inline std::string pdf_of_lines(const std::vector<std::string>& lines, const std::string& title = "") {
  std::vector<std::string> contents;
  for (const std::string& line : lines) contents.push_back(pdf_stream("BT /F1 12 Tf 72 700 Td (" + line + ") Tj ET"));
  return pdf_of_contents(contents, title);
}

}  // namespace toccata::testing
