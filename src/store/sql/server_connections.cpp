#include "src/store/sql/server_connections.hpp"

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

// How often what others were in the way of is tried again before the caller hears of it.
constexpr int tries = 5;

}  // namespace

std::unique_ptr<connection> server_connections::pop(session_list& sessions)
{
    std::lock_guard lock(sessions.mutex);
    if (sessions.idle.empty())
        return nullptr;
    auto c = std::move(sessions.idle.back());
    sessions.idle.pop_back();
    return c;
}

std::unique_ptr<connection> server_connections::connect()
{
    try
    {
        return std::make_unique<connection>(options_, dialect_, tables_);
    }
    catch (std::exception const& e)
    {
        throw store_error(as_store_error(e, false).what(), known::not_written, store_error::cause::unreachable);
    }
}

// An account that has no connection left makes do with what it has, be it one: then the others' may serve.
std::unique_ptr<connection> server_connections::connect_or_borrow(session_list& sessions, bool& pooled)
{
    try
    {
        return connect();
    }
    catch (store_error const&)
    {
        auto c = pop(&sessions == &beats_ ? general_ : beats_);
        if (!c)
            throw;
        pooled = true;
        return c;
    }
}

// A connection on which a local transaction is open, and the time. One that has been idle may have been closed by the server meanwhile,
// and all the others with it: nothing was done on them, so nobody need hear of it.
std::pair<std::unique_ptr<connection>, std::int64_t> server_connections::begin(session_list& sessions, bool for_operation)
{
    for (;;)
    {
        auto        c = pop(sessions);
        bool        pooled = c != nullptr;
        std::string settings;
        try
        {
            if (!c)
                c = connect_or_borrow(sessions, pooled);
            if (for_operation && !std::exchange(c->knows_operations, true))
                if (auto const text = dialect_.prepare_operations(c->session, c->writes->extends()); !text.empty())
                    c->session.execute(text);
            auto const   whole = for_operation ? dialect_.begin_operation_with_time() : "";
            bool const   looks = c->lent || !whole.empty();
            std::int64_t now = 0;
            if (!for_operation || looks)
                query(
                    c->session.sql(),
                    !whole.empty() ? whole : dialect_.begin_with_time() + (looks ? ", " + dialect_.settings(c->session) : ""),
                    [&](soci::statement& s) {
                        s.exchange(soci::into(now));
                        if (looks)
                            s.exchange(soci::into(settings));
                    },
                    [] {});
            c->lent = for_operation;
            // An operation has left the session in another state: that is for nobody else.
            if (looks && settings != c->settings)
                continue;
            if (for_operation && whole.empty())
                c->session.execute(dialect_.begin_operation());
            return {std::move(c), options_.clock ? clock_ms(options_) : now};
        }
        catch (std::exception const& e)
        {
            if (!pooled)
                throw as_store_error(e, false);
            std::lock_guard lock(sessions.mutex);
            sessions.idle.clear();
        }
    }
}

void server_connections::give_back(session_list& sessions, std::unique_ptr<connection> c)
{
    std::lock_guard lock(sessions.mutex);
    sessions.idle.push_back(std::move(c));
}

store_error server_connections::as_store_error(std::exception const& e, bool in_doubt) const
{
    if (auto const* s = dynamic_cast<store_error const*>(&e))
        return *s;
    auto const where = options_.url.describe();
    auto const what =
        (detail::is_read_only(e) ? "it is read-only, as a replica is that was not promoted: " : "") + detail::server_message(e);
    return store_error(what.starts_with(where) ? what : where + ": " + what,
                       in_doubt ? store_error::certainty::in_doubt : store_error::certainty::not_written,
                       detail::may_pass(e) ? store_error::cause::passing : store_error::cause::rejected);
}

bool server_connections::goes_on(std::exception const& e, bool committing, int tried, session_list& sessions,
                                 std::unique_ptr<connection>& c)
{
    auto const fault = detail::fault_of(e);
    c->writes->clear();
    // A commit that PostgreSQL rejects, by a trigger that is deferred to it, has committed nothing.
    bool const rejected = c->session.kind() == detail::server_kind::postgres && !detail::may_pass(e);
    if (fault == detail::server_fault::trouble)
        throw as_store_error(e, committing && !rejected);
    if (c->session.roll_back())
        give_back(sessions, std::move(c));
    if (fault != detail::server_fault::conflict && !dynamic_cast<row_conflict const*>(&e))
        return false;
    if (tried == tries)
        throw as_store_error(e, false);
    return true;
}

std::int64_t clock_ms(server_store_options const& options)
{
    return std::chrono::duration_cast<std::chrono::milliseconds>(options.clock->now().time_since_epoch()).count();
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
