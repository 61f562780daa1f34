// What differs between the database servers: how a statement takes many rows, and the words for time, locks and text.
#pragma once

#include "src/sql/server_session.hpp"
#include "src/store/sql/sql_words.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace weft {
inline namespace v0 {
namespace sql_store {

// When rows that wait for a person are due: 9999-12-31 23:59:59.999 UTC.
inline constexpr std::int64_t end_of_time = 253'402'300'799'999;

struct column
{
    char const* name;
    enum
    {
        text,
        number,
        bytes
    } type;
};

// A statement about many rows at once, sent in one round trip. Values are given row by row, in the order of the columns.
//
// PostgreSQL: prepared once; each column goes as one array, taken apart by unnest(). MySQL and MariaDB: SOCI prepares nothing there, so
// the rows stand in the text, as a table constructor.
class multi_row
{
public:
    virtual ~multi_row() = default;

    virtual void text(std::string_view) = 0;
    virtual void bytes(std::string_view) = 0;
    virtual void number(std::int64_t) = 0;
    virtual void null() = 0;

    // Sends what was given since the last time, and returns how many rows were inserted or updated.
    virtual std::int64_t execute() = 0;

    // Forgets what was given.
    virtual void clear() = 0;

    std::size_t rows() const noexcept { return values_ / columns_; }
    std::size_t bytes() const noexcept { return bytes_; }

protected:
    explicit multi_row(std::size_t columns) : columns_(columns) { }

    void count(std::size_t bytes)
    {
        ++values_;
        bytes_ += bytes;
    }
    void forget() { values_ = bytes_ = 0; }

    std::size_t columns_, values_ = 0, bytes_ = 0;
};

class dialect : public sql_words
{
public:
    // INSERT INTO `into` SELECT `values` FROM rows AS v. `tail`: see or_nothing.
    virtual std::unique_ptr<multi_row> insert(detail::server_session&, std::span<column const> rows, std::string const& into,
                                              std::string const& values, std::string const& tail) const = 0;

    // The same, for each row that meets the condition in `with`: "table AS t ON condition". `tail`: see for_key_share and or_nothing.
    virtual std::unique_ptr<multi_row> insert_with(detail::server_session&, std::span<column const> rows, std::string const& into,
                                                   std::string const& values, std::string const& with, std::string const& tail) const = 0;

    // UPDATE `table` AS t SET `assignments` for each of the rows AS v with the same gid that meets the condition. The names of the
    // rows' columns differ from the table's, but for gid.
    virtual std::unique_ptr<multi_row> update(detail::server_session&, std::span<column const> rows, std::string const& table,
                                              std::string const& assignments, std::string const& condition) const = 0;

    virtual std::string now() const = 0;

    // What opens a transaction and yields the time in milliseconds since 1970, in one round trip.
    virtual std::string begin_with_time() const = 0;

    // How many bytes a text takes within a statement, and how many a statement may have on this session (0: whatever it needs).
    virtual std::size_t size_of(std::string_view text) const = 0;
    virtual std::size_t statement_limit(detail::server_session&) const = 0;

    virtual char const* current_user() const = 0;

    // Where a session's unqualified names lead: a query for its name; and a name there, qualified.
    virtual char const* place() const = 0;
    virtual std::string qualified(std::string const& place, std::string const& name) const = 0;

    // Yields 1 if there is a table of this qualified name and 0 if not: on PostgreSQL an error would spoil a caller's transaction.
    virtual std::string table_exists(std::string const& qualified) const = 0;

    // ext_data without its last two characters.
    virtual std::string without_end(std::string const& ext_data) const = 0;
    virtual std::string concatenated(std::string const& a, std::string const& b, std::string const& c) const = 0;

    virtual std::string bytes_of(std::string const& text) const = 0;
    virtual std::string text_of(std::string const& bytes) const = 0;
    virtual std::string bytes_of_hex(std::string const& digits) const = 0;

    // At the end of a SELECT: the rows (of `alias`) stay where they are until the end of the transaction; beats may go on.
    virtual std::string for_key_share(char const* alias) const = 0;

    // At the end of an INSERT: what is there already is left alone, where the server can say so; else it is an error. (On PostgreSQL an
    // error ends the whole transaction and stands in the server's log, and SOCI 4.0.3 loses what the statement was given.)
    virtual char const* or_nothing() const = 0;

    // store::operations_at_once: measured with a server and an engine on two cores. MariaDB's commits wait for each other's disk writes.
    virtual std::size_t operations_at_once() const noexcept = 0;

    // Around somebody else's statements on the store's connection: what was set for the store's own is not for them.
    virtual char const* begin_operation() const = 0;
    virtual char const* end_operation() const = 0;

    // PostgreSQL takes several statements at once, and keeps those that are prepared. So `prepare_operations`, sent once in a session, makes
    // `begin_operation_with_time`, which opens a transaction, begins an operation and yields the time and settings(), and `extension` (of values: see
    // server_writes::update_of, which gives the statement `extends`, with parameters). Empty elsewhere.
    virtual std::string prepare_operations(detail::server_session&, std::string const& /*extends*/) const { return {}; }
    virtual std::string begin_operation_with_time() const { return {}; }

    // An update that must meet one row: if it does not, that is an error in these words (`says_no_row`). They are looked for in the server's
    // message, not in what(): there SOCI quotes the statement, which has them, too.
    static constexpr char const* no_row = "weft met no row";
    virtual std::string          checked(std::string const& update) const = 0;
    virtual bool                 says_no_row(std::exception const&) const = 0;

    // What ends an operation, does this, and commits, in one round trip. Where settings() is not `settings_before` a warning is left, on MariaDB.
    // Empty: the server takes no such thing.
    virtual std::string end_operation_with(detail::server_session&, std::string const& checked_update,
                                           std::string const& settings_before) const = 0;

    // An expression: the session's settings that would matter to whoever has it next (schema, isolation, modes, time zone, time-outs), and its
    // temporary tables, as one text.
    virtual std::string settings(detail::server_session&) const = 0;
};

dialect const& postgres() noexcept;
dialect const& mysql() noexcept;  // and MariaDB

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
