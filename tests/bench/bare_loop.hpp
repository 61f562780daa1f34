// The yardstick: the statements that a two-step workflow needs, and nothing else.
#pragma once

#include <string>

namespace bench {

struct bare_figures
{
    double per_second = 0;
    double p50_ms = 0;  // of one batch: all its three commits
};

// One insert and two guarded updates for each workflow (outcome; outcome with the final status), prepared, through SOCI, on weft's own
// tables, `per_commit` workflows in each commit, for `seconds`.
bare_figures run_bare_loop(std::string const& file, std::size_t per_commit, double seconds);

}  // namespace bench
