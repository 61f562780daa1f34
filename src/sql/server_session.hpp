// One session of a database server: the SOCI session, its settings, and what its errors mean.
#pragma once

#include "src/sql/server_url.hpp"
#include "src/sql/silence_watch.hpp"

#include <soci/soci.h>

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

namespace weft {
inline namespace v0 {
namespace detail {

struct server_options
{
    std::chrono::milliseconds connect_timeout{5'000};
    std::chrono::milliseconds statement_timeout{30'000};  // by the server; 0: none
    std::chrono::milliseconds lock_timeout{10'000};       // waiting for another transaction's row; 0: the server's own
    std::string               schema;                     // PostgreSQL: the search path; empty: the user's own

    // How long the server may say nothing before the session is given up; unset: five seconds more than the statement's own time. 0: for ever.
    std::optional<std::chrono::milliseconds> answer_timeout{};
    std::shared_ptr<silence_watch>           watch = std::make_shared<silence_watch>();

    std::chrono::milliseconds answer_limit() const noexcept
    {
        if (answer_timeout || statement_timeout.count() == 0)
            return answer_timeout.value_or(std::chrono::milliseconds(0));
        return statement_timeout + std::chrono::seconds(5);
    }

    // Takes what it knows out of `url.options` and leaves the rest. Errors: misuse.
    void take(server_url& url);
};

// What an error of a server means for whoever sent the statement.
enum class server_fault
{
    data,      // this statement with these values: a constraint, a length
    conflict,  // another transaction was in the way (deadlock, lock time-out): the same again may succeed
    trouble,   // the server or the account: lost, stopping, read-only, out of space, no privilege
};

server_fault fault_of(std::exception const&) noexcept;

// True if an error speaks of the state that the server, the connection or a lock is in, rather than of the statement: it may pass by itself.
bool may_pass(std::exception const&) noexcept;

// A session that the server would not open: a wrong database, role or password.
class session_refused : public std::runtime_error
{
public:
    using std::runtime_error::runtime_error;
};

// True if the server, the database or the session takes no writes: a replica that was not promoted, or a setting.
bool is_read_only(std::exception const&);

// True if a savepoint is not there: the transaction that it was set in has ended.
bool says_no_savepoint(std::exception const&);

// What an exception says, without the values that SOCI adds, on one line. "ERROR:  deadlock detected (40P01)"
std::string server_message(std::exception const&);

// Thread safety: one thread at a time.
class server_session
{
public:
    enum class purpose
    {
        store,        // UTC, READ COMMITTED, strict mode, a character set and collation of ours
        participant,  // the user's own settings, but for time-outs and the character set; on MySQL without autocommit
        xa  // the same with autocommit, and the server ends the session if it says nothing for long: what it holds must not stay held
    };

    // Connects. Errors: std::runtime_error saying which server and why; never the password.
    server_session(server_url const&, server_options const&, purpose);

    soci::session& sql() noexcept { return sql_; }
    server_kind    kind() const noexcept { return kind_; }
    bool           is_mariadb() const noexcept { return mariadb_; }

    // One statement without parameters and without a result, in one round trip.
    void execute(std::string const& text);

    // A local transaction for somebody else's statements, which may end it: on MySQL a deadlock does so in silence, everywhere a COMMIT or a
    // ROLLBACK of their own. What comes after that would be committed alone. So a savepoint is set, which goes with the transaction that it was
    // set in, and nothing is committed without it. No round trip of its own. `set_up`: code of the owner's, which runs once; on PostgreSQL without a
    // savepoint, since it may begin with what must come first in a transaction (SET TRANSACTION).
    void begin(bool reads_only, bool set_up = false);

    // Commits what `begin` began. Errors: what the server says; the transaction is open still, or the session is lost. If it is not the one
    // that `begin` began, `says_no_savepoint` is true of the error, and nothing was committed by this.
    void commit();

    // False if somebody has changed what names and literals mean there, or when statements are committed, as far as that can be seen without
    // asking: the schema (MySQL), autocommit, the modes of literals, the character set, the time zone, the user.
    bool is_as_it_was() noexcept;

    // Only of how our own statements are read: character set, backslashes in literals, autocommit.
    bool reads_as_before() noexcept;

    // True if the last statement left a warning. (MySQL only: PostgreSQL has none that last.)
    bool has_warned() noexcept;

    // A table's name with the schema that it leads to now, so that it leads there whatever becomes of the search path. (Unless it has one
    // already, or the schema's name is an odd one.)
    std::string qualified(std::string const& table);

    enum class transaction
    {
        none,  // or the connection is lost
        open,
        failed  // PostgreSQL, after an error: all that it takes is a rollback
    };
    transaction where() noexcept;

    // True if the server takes no writes, as far as that can be seen without asking: PostgreSQL says so of itself (14 and later), MySQL in
    // its last error. Another session of the same address may be better off: this one may have outlived a fail-over.
    bool takes_no_writes() noexcept;

    // Ends what is open, if anything is. False: the session is of no further use.
    bool roll_back() noexcept;

private:
    std::string settings() noexcept;
    std::string reading() noexcept;
    void        check_encryption(server_url const&);
    void        refuse_pooler(server_url const&);

    server_kind                    kind_;
    bool                           mariadb_ = false;
    bool                           saves_point_ = false;  // `begin` has set one
    bool                           blocks_ = false;       // MariaDB: it takes BEGIN NOT ATOMIC … END: two statements in one round trip
    std::string                    settings_, reading_;   // as they were after connecting
    std::unique_ptr<soci::session> opened_;
    soci::session&                 sql_ = *opened_;

    silence_watch::watched watched_;  // goes before the socket does
};

// What can be said of a URL before anybody connects. Errors: misuse.
void check_url(server_url const&, server_options const&, server_session::purpose);

// The savepoint that somebody else's statements run under, in one message with what begins and ends their transaction on PostgreSQL.
inline constexpr char const* postgres_begin = "BEGIN; SAVEPOINT weft_operation";
inline constexpr char const* postgres_before_end = "RELEASE SAVEPOINT weft_operation; ";

// A text as a literal of PostgreSQL's, whatever standard_conforming_strings is. (Only one of the first kind is the same with it off.)
std::string postgres_literal(std::string_view text);

// A text as a literal of MySQL's, in a session without NO_BACKSLASH_ESCAPES; appended.
void append_mysql_literal(std::string& to, std::string_view text);

}  // namespace detail
}  // namespace v0
}  // namespace weft
