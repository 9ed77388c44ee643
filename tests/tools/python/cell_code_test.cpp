#include "tools/python/cell_code.h"

#include <gtest/gtest.h>

namespace toccata::tools {
namespace {

TEST(CellCodeTest, PythonIsLeftAsItIs) {
  for (const char* code :
       {"print(1)\n",
        "  indented",
        "",
        "{'a': 1}",
        "{}",
        "{\"a\": 1, \"b\": \"c\"}",
        "{\"a\": 1}",
        "x = '```'"}) {
    EXPECT_EQ(cell_code(code), code);
  }
}

TEST(CellCodeTest, AnObjectOfOneStringIsUnwrapped) {
  EXPECT_EQ(cell_code(R"j({"code": "print(\"a\\n\")"})j"), "print(\"a\\n\")");
  EXPECT_EQ(cell_code(" {\"input\":\"1\\n2\"}\n"), "1\n2");
}

TEST(CellCodeTest, AFencedBlockIsUnwrapped) {
  EXPECT_EQ(cell_code("```python\nx = 1\nx\n```"), "x = 1\nx\n");
  EXPECT_EQ(cell_code("\n```py\nx\n```\n"), "x\n");
  EXPECT_EQ(cell_code("```\nx\n```"), "x\n");
  EXPECT_EQ(cell_code("{\"code\": \"```python\\n1\\n```\"}"), "1\n");
}

TEST(CellCodeTest, OtherFencesAreLeft) {
  for (const char* code :
       {"```bash\nls\n```",
        "```python\n1\n```\n```python\n2\n```",
        "```",
        "``````",
        "```python```",
        "```python\n1"}) {
    EXPECT_EQ(cell_code(code), code);
  }
}

TEST(CellCodeTest, BrokenJsonAndOddBytesAreLeft) {
  for (const char* code :
       {"{\"code\": \"print(1)", "{\"code\": \"\xff\"}", "{\"code\": \"a\"} trailing}"}) {
    EXPECT_EQ(cell_code(code), code);
  }
}

}  // namespace
}  // namespace toccata::tools
