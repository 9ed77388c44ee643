// Open figures become images. A stand-in for matplotlib, so that nothing need be installed, and the real one where it is.
#include "tests/sandbox/sandbox_fixture.h"

namespace toccata::sandbox {
namespace {

using testing::HasSubstr;
using testing::Not;

class FiguresTest : public SandboxTest {
 protected:
  void SetUp() override {
    SandboxTest::SetUp();
    if (IsSkipped()) return;
    ASSERT_EQ(output(R"(
import sys, types
class Figure:
    dpi, stale = 100, True
    def __init__(self, number): self.number, self.axes = number, ['one']
    def get_axes(self): return self.axes
    def get_size_inches(self): return (6.4, 4.8)
    def savefig(self, path, dpi):
        with open(path, 'w') as f: f.write('image %d at %d' % (self.number, dpi))
        self.stale = False
pyplot = types.ModuleType('matplotlib.pyplot')
figures = {}
pyplot.get_fignums = lambda: sorted(figures)
pyplot.gcf = lambda: figures[max(figures)]
pyplot.figure = lambda n: figures.setdefault(n, Figure(n))
sys.modules['matplotlib.pyplot'] = pyplot
)"), kNoOutput);
  }
};

TEST_F(FiguresTest, AnOpenFigureIsSavedAndNamed) {
  const Outcome drawn = run("import os; os.chdir('/tmp'); f = pyplot.figure(1); print('drawn')");
  EXPECT_EQ(drawn.output, "drawn\n[figure saved: figure-2-1.png]");
  ASSERT_EQ(drawn.artifacts.size(), 1U);
  EXPECT_EQ(drawn.artifacts[0].path, "figure-2-1.png");
  EXPECT_EQ(session_->download("figure-2-1.png").value_or_throw(), "image 1 at 100");
  EXPECT_EQ(output("1"), "1") << "not drawn on again: not saved again";
  EXPECT_EQ(output("f.stale = True"), "[figure saved: figure-4-1.png]");
}

TEST_F(FiguresTest, OnlyWhatWasDrawnAndNotSavedByTheCell) {
  EXPECT_EQ(output("pyplot.figure(1).axes = []"), kNoOutput);
  EXPECT_EQ(output("pyplot.figure(2).savefig('mine.png', 50)"), kNoOutput);
}

TEST_F(FiguresTest, NumberAndSizeAreBounded) {
  const Outcome many = run("for i in range(20): pyplot.figure(i)\npyplot.figure(0).get_size_inches = lambda: (1000, 1000)");
  EXPECT_EQ(many.artifacts.size(), 8U);
  EXPECT_THAT(many.output, HasSubstr("[12 more figures are open and were not saved]"));
  EXPECT_EQ(session_->download("figure-2-1.png").value_or_throw(), "image 0 at 2");
}

TEST_F(FiguresTest, AFailureDoesNotFailTheCell) {
  const Outcome broken = run("pyplot.figure(1).get_size_inches = lambda: 1 / 0\nprint('result')");
  EXPECT_EQ(broken.status, Status::kOk);
  EXPECT_EQ(broken.output, "result\n[the figures could not be saved: division by zero]");
}

TEST(RealFiguresTest, MatplotlibsAreImages) {
  Policy policy;
  // An interpreter that has matplotlib, where the default one has not.
  if (const char* python = std::getenv("TOCCATA_TEST_PYTHON")) policy.python = python;
  Result<Sandbox> made = make_sandbox(policy);
  if (!made) GTEST_SKIP() << made.error().message;
  const auto session = made->open().value_or_throw();
  if (session->execute("import matplotlib.pyplot as plt", 120s).status != Status::kOk)
    GTEST_SKIP() << "matplotlib is not installed";
  const Outcome drawn = session->execute("plt.plot([1, 3, 2]);\nplt.title('t');", 120s);
  EXPECT_EQ(drawn.output, "[figure saved: figure-2-1.png]");
  EXPECT_EQ(session->download("figure-2-1.png").value_or_throw().substr(0, 4), "\x89PNG");
  EXPECT_THAT(session->execute("print(plt.gca().get_title())", 120s).output, testing::StartsWith("t")) << "it stays open";
  EXPECT_THAT(session->execute("plt.ylabel('y'); plt.savefig('own.png')", 120s).output, Not(HasSubstr("figure saved")));
}

}  // namespace
}  // namespace toccata::sandbox
