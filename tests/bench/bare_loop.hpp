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
// tables, `per_commit` workflows in each commit, for `seconds`. `url` names a store: sqlite://, postgres://, mysql://.
// On a server each of the three is one statement for all of a commit's workflows: unnest() of arrays, prepared (PostgreSQL); a join with a
// table of values (MariaDB, MySQL). Nothing is read, and only the count of rows is looked at.
bare_figures run_bare_loop(std::string const& url, std::size_t per_commit, double seconds);
bare_figures run_server_loop(std::string const& url, std::size_t per_commit, double seconds);

// The same for a saga of two steps that is rows, on a SQLite file: a row and four operations in one commit, in the next one the end of both
// actions and of the saga.
bare_figures run_bare_saga(std::string const& url, std::size_t per_commit, double seconds);

}  // namespace bench
