#pragma once

#include "agent/loop/events.h"
#include "agent/server/metrics.h"

namespace toccata::server {

// What an event of a turn comes to in the server's counters: those of the runs that the turn makes included.
void count_event(Metrics& metrics, const agent::Event& event);

}  // namespace toccata::server
