// A batch of writes on a database server, in a handful of statements however many writes it has.
#pragma once

#include "src/store/sql/dialect.hpp"
#include "src/store/sql/transaction_row.hpp"

#include <map>
#include <optional>
#include <set>
#include <vector>

namespace weft {
inline namespace v0 {
namespace sql_store {

// When rows that wait for a person are due: 9999-12-31 23:59:59.999 UTC.
inline constexpr std::int64_t end_of_time = 253'402'300'799'999;

struct table_names
{
    explicit table_names(std::string const& prefix) : global(prefix + "trans_global"), branch(prefix + "trans_branch_op"), kv(prefix + "kv")
    { }

    std::string global, branch, kv;
};

// What a batch came to, transaction by transaction, was not what had been expected of each; or somebody else was in the way.
struct not_as_expected : std::runtime_error
{
    using std::runtime_error::runtime_error;
};

// The writes of a batch, on one session. Every statement is conditional (I5) and says how many rows it met. First all are sent in the
// hope that every write meets its row: nearly always so. If one did not, all of it is rolled back, and done again with the rows locked
// and looked at first, so that each write has a result of its own.
//
// Thread safety: as the session. Everything happens inside the transaction that is open on it.
class server_writes
{
public:
    server_writes(detail::server_session& session, dialect const& dialect, table_names const& tables);

    // `which` of the writes, none of them a local_write. False: one of them met no row; the caller rolls back.
    bool apply_in_hope(std::span<write const> writes, std::span<std::size_t const> which, std::int64_t now);

    // The same, with a result for each. Throws not_as_expected if another transaction interfered: roll back and try again.
    void apply_carefully(std::span<write const> writes, std::span<std::size_t const> which, std::int64_t now, bool repeated,
                         std::vector<write_result>& results);

    // One extension, for an operation in this database. False: it met no row.
    bool extend(extend_write const& w, std::int64_t now);

    // True if the row looks as this extension leaves it.
    bool is_applied(extend_write const& w);

    // Why the server would not even take this write: larger than it takes anything. Empty: it will.
    std::string too_large(write const& w) const;

    // Forgets what a failed batch has left in the statements.
    void clear();

private:
    struct head
    {
        std::string  owner, status, workflow, custom_data, ext_data;
        std::int64_t position = 0, created = 0;
        bool         cancel_requested = false;
    };
    using heads = std::map<std::string, head, std::less<>>;
    struct judgement
    {
        bool         accepted = false;
        write_result result;
    };

    using phase = std::vector<std::size_t>;
    static std::vector<phase> phases(std::span<write const> writes, std::span<std::size_t const> which);

    void        put(create_write const& w, std::int64_t now);
    void        put(extend_write const& w, std::int64_t now);
    void        put(park_write const& w, std::int64_t now);
    void        put(request_write const& w, std::int64_t now);
    void        put(local_write const&, std::int64_t) { }
    void        put(write const& w, std::int64_t now);
    bool        send();
    std::size_t size_of(write const& w) const;
    bool        send(multi_row& rows);

    heads                 lock(std::span<write const> writes, phase const& of);
    std::set<std::string> alive(std::span<write const> writes, phase const& of);
    std::string           literals(std::set<std::string> const& texts) const;

    judgement        judge(create_write const& w, head const* row, std::set<std::string> const& alive, bool repeated) const;
    static judgement judge(extend_write const& w, head const* row, bool repeated);
    static judgement judge(park_write const& w, head const* row, bool repeated);
    static judgement judge(request_write const& w, head const* row);

    static bool shows(head const& row, extend_write const& w);

    detail::server_session&    session_;
    dialect const&             dialect_;
    table_names const&         tables_;
    std::unique_ptr<multi_row> create_, create_owned_, seal_, extend_, decide_, park_, cancel_, resume_;
    std::size_t                limit_ = 0;       // of bytes in a statement; 0: none
    bool                       matched_ = true;  // everything sent since the last send()
};

// One SELECT, row by row: `f(statement)` binds, `each()` is called after each row.
template <class Bind, class Each>
void query(detail::server_session& session, std::string const& text, Bind bind, Each each)
{
    soci::statement s(session.sql());
    bind(s);
    s.alloc();
    s.prepare(text, soci::details::st_one_time_query);
    s.define_and_bind();
    for (bool more = s.execute(true); more; more = s.fetch())
        each();
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
