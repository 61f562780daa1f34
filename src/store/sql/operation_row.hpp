// The operations of patterns: rows of trans_branch_op as the SQL stores read them.
#pragma once

#include "src/store/rules/judge.hpp"
#include "src/store/sql/sql_words.hpp"

#include <weft/store.hpp>

#include <soci/soci.h>

#include <map>
#include <span>
#include <string>
#include <vector>

namespace weft {
inline namespace v0 {
namespace sql_store {

using row_rules::named_twice;
using row_rules::names_one_twice;

// Bytes as hexadecimal digits, which come through every client library as they are.
void append_hex(std::string& to, std::string_view bytes);

// A row of `selection()`. Parts of journals are no operations.
struct operation_row
{
    std::string     gid, branch_id, op, url, hex, status;
    std::int64_t    created = 0, ended = 0;
    soci::indicator hex_ind = soci::i_null, created_ind = soci::i_null, ended_ind = soci::i_null;

    // SELECT … FROM `table` WHERE gid IN (`gids`) …, in the order in which they were made.
    static std::string selection(sql_words const& words, std::string const& table, std::string const& gids);

    void      into(soci::statement& s);
    branch_op as_operation() const;
};

// The patterns among these rows: they have operations, workflows have journals.
std::vector<transaction*> patterns_among(std::span<transaction> rows);

// Gives the operations that `each(row)` visits to their transactions.
class by_gid
{
public:
    explicit by_gid(std::span<transaction* const> rows);
    void operator()(operation_row const& row);

private:
    std::map<std::string_view, transaction*> rows_;
};

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
