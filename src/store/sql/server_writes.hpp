// A batch of writes on a database server, in a handful of statements however many writes it has.
#pragma once

#include "src/store/rules/row.hpp"
#include "src/store/sql/dialect.hpp"
#include "src/store/sql/operation_row.hpp"
#include "src/store/sql/transaction_row.hpp"

#include <array>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace weft {
inline namespace v0 {
namespace sql_store {

// What a batch came to, transaction by transaction, was not what had been expected of each; or somebody else was in the way.
struct row_conflict : std::runtime_error
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
    bool apply_optimistic(std::span<write const> writes, std::span<std::size_t const> which, std::int64_t now);

    // The same, with a result for each. Throws row_conflict if another transaction interfered: roll back and try again.
    void apply_locked(std::span<write const> writes, std::span<std::size_t const> which, std::int64_t now, bool repeated,
                      std::vector<write_result>& results);

    // One extension, for an operation in this database. False: it met no row.
    bool extend(extend_write const& w, std::int64_t now);

    // The same as one statement, with its check (dialect::checked), at the time `ms`; 0: the server's. Empty if one will not do. `prepared`: the
    // session has had prepare_operations().
    std::string statement_of(extend_write const& w, std::int64_t ms, bool prepared) const;

    // What prepare_operations() needs.
    std::string extends() const { return update_of("$1", "$2", "$3", "$4", "$5", dialect_.time_of("$6"), false); }

    // True if the row looks as this extension leaves it.
    bool is_applied(extend_write const& w);

    // Why the server would not even take this write: larger than it takes anything. Empty: it will.
    std::string too_large(write const& w) const;

    // Forgets what a failed batch has left in the statements.
    void clear();

private:
    struct head
    {
        std::string status;  // as stored
        transaction row;

        row_rules::row_view view() const
        {
            auto v = row_rules::view_of(row);
            v.status = status;
            return v;
        }
    };
    using heads = std::map<std::string, head, std::less<>>;

    using phase = std::vector<std::size_t>;
    static std::string const& gid_of(write const& w);
    static std::vector<phase> phases(std::span<write const> writes, std::span<std::size_t const> which);

    void        put(create_write const& w, std::int64_t now);
    void        put(extend_write const& w, std::int64_t now);
    void        put(park_write const& w, std::int64_t now);
    void        put(record_write const& w, std::int64_t now);
    void        put(register_write const& w, std::int64_t now);
    void        put(decide_write const& w, std::int64_t now);
    void        put(request_write const& w, std::int64_t now);
    void        put(local_write const&, std::int64_t) { }
    void        put(write const& w, std::int64_t now);
    void        put(std::string const& gid, std::span<branch_op const> ops, std::int64_t now);
    bool        send();
    std::size_t size_of(write const& w) const;
    bool        send(multi_row& rows);

    heads                 lock(std::span<write const> writes, phase const& of);
    std::set<std::string> read_operations(std::span<write const> writes, phase const& of, heads& rows, bool repeated);
    std::set<std::string> alive(std::span<write const> writes, phase const& of, bool creations);

    std::string update_of(std::string const& gid, std::string const& owner, std::string const& position, std::string const& entries,
                          std::string const& position_to, std::string const& when, bool sent_again) const;

    template <class Write>
    static row_rules::verdict judge(Write const& w, head const* row, std::set<std::string> const& living, bool repeated);

    // In the order in which they are sent: rows before what belongs to them, parts before the extension that empties what they hold.
    std::array<std::unique_ptr<multi_row>*, 14> all() noexcept
    {
        return {&create_, &create_owned_, &operations_, &seal_,     &extend_, &send_again_, &conclude_,
                &park_,   &record_,       &outcomes_,   &register_, &decide_, &cancel_,     &resume_};
    }

    detail::server_session&    session_;
    dialect const&             dialect_;
    table_names const&         tables_;
    std::unique_ptr<multi_row> create_, create_owned_, operations_, seal_, extend_, send_again_, conclude_, park_, record_, outcomes_,
        register_, decide_, cancel_, resume_;
    std::size_t limit_ = 0;       // of bytes in a statement; 0: none
    bool        matched_ = true;  // everything sent since the last send()
};

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
