// What writes look at before, or after, they write.
#pragma once

#include "src/store/rules/row.hpp"
#include "src/store/sql/sqlite_statements.hpp"
#include "src/store/sql/transaction_row.hpp"

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft {
inline namespace v0 {
namespace sql_store {

// What makes a write conditional (I5): WHERE gid = :gid AND owner = :owner AND position = :position AND it is not over.
std::string mine();

class sqlite_heads
{
public:
    explicit sqlite_heads(soci::session& sql);

    // A row as it is, without what was sealed of its journal and without its operations.
    struct head
    {
        std::string status;  // as stored
        transaction row;
    };
    std::optional<head> find(std::string const& gid);

    // The owner of a row must be alive in this very transaction: nobody would look for work of an engine that is not listed.
    bool is_alive(std::string const& engine);

    // Forgets which engines are known to be alive; at the beginning of each transaction.
    void begin() { alive_.clear(); }

private:
    std::string     gid_, engine_, alive_;
    transaction_row row_;
    int             count_ = 0;
    soci::statement find_, find_engine_;
};

inline constexpr auto no_operations = [] { return std::vector<branch_op>(); };

// The rules' judgement of a write, looking at the row as it was found. `operations()`: those that the write names.
template <class Write, class Operations = decltype(no_operations)>
row_rules::verdict judge(Write const& w, std::optional<sqlite_heads::head>& found, bool repeated, bool alive,
                         Operations operations = no_operations)
{
    if (!found)
        return row_rules::judge(w, nullptr, alive, repeated);
    found->row.ops = operations();
    auto view = row_rules::view_of(found->row);
    view.status = found->status;
    return row_rules::judge(w, &view, alive, repeated);
}

// Why a write met no row, or that it need not: it has been applied already.
template <class Write, class Operations = decltype(no_operations)>
write_result refusal_of(Write const& w, sqlite_heads& heads, bool repeated, bool alive, Operations operations = no_operations)
{
    auto row = heads.find(w.gid);
    auto judged = judge(w, row, repeated, alive, operations);
    if (judged.accepted)
        throw std::logic_error("a write that the rules admit met no row");
    return std::move(judged.result);
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
