// Engines and what they own, on a database server.
#pragma once

#include "src/store/sql/server_reads.hpp"

#include <limits>

namespace weft {
inline namespace v0 {
namespace sql_store {

// On a session in a transaction that the caller has begun; `now` is its time.
class server_leases
{
public:
    server_leases(soci::session& sql, dialect const& d, table_names const& tables, std::int64_t now)
        : sql_(sql)
        , dialect_(d)
        , tables_(tables)
        , now_(now)
        , reads_(sql, d, tables, now)
    { }

    void   register_engine(std::string const& engine, std::string const& heartbeat);
    beaten beat(std::string const& engine);

    // Makes it dead: from now on its beats and its new transactions find nothing. With `beats`: if it has not beaten since. False: nothing done.
    bool bury(std::string const& engine, std::optional<std::int64_t> beats = {});

    // Releases what dead engines owned, without what is locked at the moment. When nothing is left of one its row goes, too.
    // `left_out`: a condition, as of refused_rows.
    released release_dead(std::size_t limit, std::string const& left_out);

    // The same for one row.
    bool release(std::string const& id);

    // Which of the workflows are due, when the next one will be, and whether the engine is listed.
    std::vector<std::string> look(std::string const& engine, std::span<std::string const> workflows, claimed& c);

    // False: the engine is not listed. Else its heartbeat stays in place until the end of the transaction.
    bool hold(std::string const& engine);

    static constexpr auto no_limit = std::numeric_limits<std::size_t>::max();

    // Leases what is due of a workflow to the engine. With `owned`, returns what it has leased already, due or not. Returns how many.
    // `which`: a condition more, such as refused_rows::left_out.
    std::size_t take(claimed& into, std::string const& engine, std::string const& workflow, bool owned, std::size_t limit,
                     std::string const& which);

    // Ids and gids of the same, and of what dead engines own.
    using row_names = std::vector<std::pair<std::string, std::string>>;
    row_names rows_to_take(std::string const& engine, std::string const& workflow, bool owned, std::size_t limit, std::string const& which);
    row_names dead_rows(std::size_t limit, std::string const& which);

private:
    void        pause_unreadable(std::vector<transaction>& rows);
    row_names   names_of(std::string const& condition, std::size_t limit);
    std::string of_dead_engines() const;
    std::string to_take(std::string const& engine, std::string const& workflow, bool owned) const;

    std::string literal(std::string_view text) const { return dialect_.literal(text); }
    std::string now() const { return dialect_.time(now_); }

    soci::session&     sql_;
    dialect const&     dialect_;
    table_names const& tables_;
    std::int64_t       now_;
    server_reads       reads_;
};

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
