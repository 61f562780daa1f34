// What differs between the databases in the statements that all of them have: the words for time, locks, texts, and the conditions that
// an index answers.
#pragma once

#include <soci/soci.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace weft {
inline namespace v0 {
namespace sql_store {

// As a condition: what is not over, by the words of SQLite's partial index (schema), which are matched as text.
inline constexpr char const* unfinished = "status NOT IN ('succeed', 'failed')";

// When it ended, by the words of an index (schema).
inline constexpr char const* ended_time = "CASE status WHEN 'succeed' THEN finish_time WHEN 'failed' THEN rollback_time END";

struct table_names
{
    explicit table_names(std::string const& prefix) : global(prefix + "trans_global"), branch(prefix + "trans_branch_op"), kv(prefix + "kv")
    { }

    std::string global, branch, kv;
};

class sql_words
{
public:
    virtual ~sql_words() = default;

    // A text as a literal; appended.
    virtual void append_literal(std::string& to, std::string_view text) const = 0;
    std::string  literal(std::string_view text) const
    {
        std::string out;
        append_literal(out, text);
        return out;
    }

    // Milliseconds since 1970 as a point in time, and back.
    virtual std::string time_of(std::string const& milliseconds) const = 0;
    virtual std::string milliseconds_of(std::string const& time) const = 0;
    std::string         time(std::int64_t ms) const { return time_of(std::to_string(ms)); }

    // The payload of an operation, in hexadecimal digits: what stands in bin_data, or as text in a row that an old dtm left behind.
    virtual std::string payload_hex() const = 0;

    // At the end of a SELECT: the rows stay as they are until the end of the transaction; `rows_at_hand`: without those that others hold.
    virtual char const* for_update() const = 0;
    virtual char const* rows_at_hand() const = 0;

    // As conditions that an index answers: what is not over, and of that what `owner` (an expression) owns, or owns and was asked to cancel.
    virtual std::string unfinished_rows() const = 0;

    // What follows "SELECT … FROM table" to get the first `limit` of the unfinished rows that meet a condition: by their due time, or the newest.
    // The order is an expression where it could be taken for a way to the few that are unfinished.
    virtual std::string first_unfinished(std::string const& table, std::string const& condition, bool newest,
                                         std::string const& limit) const
    {
        (void)table;
        return " WHERE " + condition + " ORDER BY " + (newest ? "id + 0 DESC" : "next_cron_time, id + 0") + " LIMIT " + limit;
    }
    virtual std::string unfinished_of(std::string const& owner) const = 0;
    virtual std::string cancelled_of(std::string const& owner) const = 0;

    // As an expression that an index answers: when a transaction ended; null for those that have not.
    virtual std::string ended() const = 0;

    // True where no row of `kv` that is an engine's, {"workflows":[…]}, names the workflow.
    virtual std::string no_worker(std::string const& kv) const = 0;
};

// SQLite: times are milliseconds, and a writer is alone.
sql_words const& sqlite() noexcept;

// Its tables, and not temporary ones of these names, which an operation in the store's own database may have made.
table_names const& sqlite_tables();

// Rows by their numbers: "1,2,3".
template <class Ids>
std::string joined(Ids const& ids)
{
    std::string list;
    for (auto const& id : ids)
        if constexpr (std::is_convertible_v<decltype(id), std::string const&>)
            (list += list.empty() ? "" : ",") += id;
        else
            (list += list.empty() ? "" : ",") += std::to_string(id);
    return list;
}

// The same of texts, as literals.
template <class Texts>
std::string literals(sql_words const& words, Texts const& texts)
{
    std::string list;
    for (auto const& text : texts)
    {
        list += list.empty() ? "" : ",";
        words.append_literal(list, text);
    }
    return list;
}

// LIMIT takes no more than fits into it.
std::string limit_of(std::size_t rows);

// One SELECT, row by row: `f(statement)` binds, `each()` is called after each row.
template <class Bind, class Each>
void query(soci::session& sql, std::string const& text, Bind bind, Each each)
{
    soci::statement s(sql);
    bind(s);
    s.alloc();
    s.prepare(text, soci::details::st_one_time_query);
    s.define_and_bind();
    for (bool more = s.execute(true); more; more = s.fetch())
        each();
}

// Any other statement, complete in its text. Returns how many rows it met.
std::int64_t change(soci::session& sql, std::string const& text);

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
