// The program: reads the environment, parses the command line, prints what nobody else could handle.
#include <csignal>
#include <cstdio>
#include <exception>

#include "agent/cli/command_line.h"
#include "agent/cli/environment.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/model_choice.h"
#include "core/base/error.h"

int main(int argc, char** argv) {
  using namespace toccata;
  // A reader that goes away (`toccata run ... | head`) is an error of write(), not a death by signal.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return cli::run_command_line(argc, argv, cli::read_environment());
  } catch (const cli::ModelError& e) {
    std::fprintf(stderr, "toccata: %s\n", e.what());
    return cli::kExitModel;
  } catch (const Exception& e) {
    std::fprintf(stderr, "toccata: %s\n", e.what());
    return cli::exit_code(e.code());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "toccata: %s\n", e.what());
    return 1;
  }
}
