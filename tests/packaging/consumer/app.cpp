#include <toccata/agent.h>

#include <iostream>

int main(int argc, char** argv) {
  toccata::Agent agent({.tools = {"python"}, .temperature = 0.0F, .ledger = argv[argc - 1]});
  const toccata::Outcome outcome = agent.run("What is 48213 * 977 + 5?");
  std::cout << toccata::version() << ' ' << outcome.final << '\n';
  return outcome.exit_code;
}
