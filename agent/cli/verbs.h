// One function a verb. Each returns the exit code of the program; a thrown Exception is printed by main.
#pragma once

#include "agent/cli/environment.h"
#include "agent/cli/options.h"

namespace toccata::cli {

int run_verb(const RunOptions& options, const Environment& env);
int chat_verb(const ChatOptions& options, const Environment& env);
int runs_list_verb(const RunsOptions& options, const Environment& env);
int runs_show_verb(const RunsOptions& options, const Environment& env);
int runs_resume_verb(const RunsResumeOptions& options, const Environment& env);
int runs_fork_verb(const RunsForkOptions& options, const Environment& env);
int runs_replay_verb(const RunsReplayOptions& options, const Environment& env);
int runs_files_verb(const RunsCareOptions& options, const Environment& env);
int runs_export_verb(const RunsCareOptions& options, const Environment& env);
int runs_rm_verb(const RunsCareOptions& options, const Environment& env);
int runs_gc_verb(const RunsCareOptions& options, const Environment& env);
int runs_check_verb(const RunsCareOptions& options, const Environment& env);
int models_verb(const ModelsOptions& options, const Environment& env);
int doctor_verb(const DoctorOptions& options, const Environment& env);

}  // namespace toccata::cli
