// The store's sessions on a server, the statements on each of them, and what is done there: local transactions that are repeated if others
// were in the way.
#pragma once

#include "src/store/sql/dialect.hpp"
#include "src/store/sql/server_store.hpp"
#include "src/store/sql/server_writes.hpp"
#include "src/store/sql/sql_words.hpp"

#include <weft/errors.hpp>
#include <weft/soci_connection.hpp>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {
inline namespace v0 {
namespace sql_store {

// A session and the statements on it.
struct connection
{
    connection(std::unique_ptr<detail::server_session> s, dialect const& d, table_names const& tables) : own(std::move(s)), session(*own)
    {
        writes.emplace(session, d, tables);
        session.sql() << "SELECT " + d.settings(session), soci::into(settings);
        session.roll_back();
    }
    connection(server_store_options const& o, dialect const& d, table_names const& tables) : connection(session_for(o), d, tables) { }

    static std::unique_ptr<detail::server_session> session_for(server_store_options const& o)
    {
        return std::make_unique<detail::server_session>(o.url, o.session, detail::server_session::purpose::store);
    }

    std::unique_ptr<detail::server_session> own;
    detail::server_session&                 session;
    std::optional<server_writes>            writes;

    // What an operation in this database may change, as it was at first; and whether one has had the session since this was last looked at.
    std::string settings;
    bool        lent = false;

    bool                           knows_operations = false;  // dialect::prepare_operations
    bool                           committed = false;         // by the statement that was the last one of an operation
    std::optional<soci_connection> prepared;                  // the barrier's statements
};

// What a session is wanted for.
enum class session_use
{
    questions,  // and writes
    beats,      // of sessions of their own: there is always one for them, however many others the server has given
    operation  // an operation of the user's has begun there, in a savepoint; and the time may be 0, for unknown: asking would be a round trip
};

// Thread safety: any thread. Lifetimes: what it is given outlives it.
class server_connections
{
public:
    server_connections(server_store_options const& options, dialect const& d, table_names const& tables)
        : options_(options)
        , dialect_(d)
        , tables_(tables)
    { }

    void add(std::unique_ptr<connection> c) { give_back(general_, std::move(c)); }

    // `f(connection, now)` in one local transaction, again if others were in the way. Trouble comes out as store_error, and the connection
    // is thrown away; anything else comes out as it is, after a rollback.
    template <class F>
    auto in_transaction(session_use use, F f) -> std::invoke_result_t<F, connection&, std::int64_t>
    {
        auto& sessions = use == session_use::beats ? beats_ : general_;
        for (int tried = 1;; ++tried)
        {
            auto [c, now] = begin(sessions, use == session_use::operation);
            bool committing = false;
            try
            {
                if constexpr (std::is_void_v<std::invoke_result_t<F, connection&, std::int64_t>>)
                {
                    f(*c, now);
                    committing = true;
                    if (!std::exchange(c->committed, false))
                        c->session.execute("COMMIT");
                    return give_back(sessions, std::move(c));
                }
                else
                {
                    auto result = f(*c, now);
                    committing = true;
                    c->session.execute("COMMIT");
                    give_back(sessions, std::move(c));
                    return result;
                }
            }
            catch (store_error const&)
            {
                throw;
            }
            catch (std::exception const& e)
            {
                if (!goes_on(e, committing, tried, sessions, c))
                    throw;
            }
        }
    }

    store_error as_store_error(std::exception const& e, bool in_doubt) const;

private:
    // That are idle.
    struct session_list
    {
        std::mutex                               mutex;
        std::vector<std::unique_ptr<connection>> idle;
    };

    std::unique_ptr<connection>                          pop(session_list&);
    static void                                          give_back(session_list&, std::unique_ptr<connection>);
    std::unique_ptr<connection>                          connect();
    std::unique_ptr<connection>                          connect_or_borrow(session_list&, bool& pooled);
    std::pair<std::unique_ptr<connection>, std::int64_t> begin(session_list&, bool for_operation);

    // After an error, which is being handled: whether all of it is tried again. Throws store_error for trouble.
    bool goes_on(std::exception const&, bool committing, int tried, session_list&, std::unique_ptr<connection>&);

    server_store_options const& options_;
    dialect const&              dialect_;
    table_names const&          tables_;
    session_list                general_, beats_;
};

// The time of the store's clock, if it was given one.
std::int64_t clock_ms(server_store_options const&);

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
