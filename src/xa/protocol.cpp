#include "src/xa/protocol.hpp"

#include <soci/mysql/soci-mysql.h>
#include <soci/postgresql/soci-postgresql.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// Bytes as MySQL's X'…': no quoting, no character set.
std::string hexadecimal(std::string_view bytes)
{
    constexpr char digits[] = "0123456789ABCDEF";
    std::string    text = "X'";
    for (unsigned char const c : bytes)
        (text += digits[c >> 4]) += digits[c & 15];
    return text += '\'';
}

unsigned code_of(std::exception const& e) noexcept
{
    auto const* m = dynamic_cast<soci::mysql_soci_error const*>(&e);
    return m ? m->err_num_ : 0;
}

std::string state_of(std::exception const& e)
{
    auto const* p = dynamic_cast<soci::postgresql_soci_error const*>(&e);
    return p ? p->sqlstate() : "";
}

constexpr unsigned xaer_nota = 1397;

// XA_RBROLLBACK, XA_RBTIMEOUT, XA_RBDEADLOCK
bool says_undone(unsigned code) noexcept { return code == 1402 || code == 1613 || code == 1614; }

}  // namespace

std::string xa_protocol::name(xid const& x) const
{
    if (!postgres_)
        return hexadecimal(x.gtrid) + ',' + hexadecimal(x.bqual);
    return postgres_literal(x.text());
}

void xa_protocol::start(xid const& x) { session_.execute(postgres_ ? postgres_begin : "XA START " + name(x)); }

void xa_protocol::prepare(xid const& x)
{
    if (postgres_)
    {
        // The server would make a rollback of it, and say nothing.
        constexpr char const* ended = "its local transaction had failed or ended before it returned: nothing that was done there counts";
        if (session_.where() != server_session::transaction::open)
            throw std::runtime_error(ended);
        try
        {
            return session_.execute(postgres_before_end + ("PREPARE TRANSACTION " + name(x)));
        }
        catch (std::exception const& e)
        {
            // Another one has been begun since, without the barrier's row.
            if (says_no_savepoint(e))
                throw std::runtime_error(ended);
            throw;
        }
    }
    session_.execute("XA END " + name(x));
    session_.execute("XA PREPARE " + name(x));
}

bool xa_protocol::abandon(xid const& x) noexcept
{
    if (postgres_)
        return session_.roll_back();
    try
    {
        session_.execute("XA END " + name(x));
    }
    catch (std::exception const&)
    {
        // Ended already, or marked for rollback.
    }
    try
    {
        session_.execute("XA ROLLBACK " + name(x));
        return true;
    }
    catch (std::exception const& e)
    {
        return code_of(e) == xaer_nota || says_undone(code_of(e));
    }
}

finished xa_protocol::finish(xid const& x, bool commit)
{
    try
    {
        if (postgres_)
            session_.execute((commit ? "COMMIT PREPARED " : "ROLLBACK PREPARED ") + name(x));
        else
            session_.execute((commit ? "XA COMMIT " : "XA ROLLBACK ") + name(x));
        return finished::done;
    }
    catch (std::exception const& e)
    {
        if (code_of(e) == xaer_nota || state_of(e) == "42704")
            return finished::unknown;
        if (says_undone(code_of(e)))
            return commit ? finished::undone : finished::done;
        throw;
    }
}

std::vector<xid> xa_protocol::prepared()
{
    std::vector<xid> all;
    if (postgres_)
    {
        soci::rowset<std::string> const rows =
            (session_.sql().prepare << "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() AND gid LIKE 'weft:%/%'");
        for (auto const& text : rows)
        {
            auto const slash = text.find('/');
            all.push_back({text.substr(0, slash), text.substr(slash + 1)});
        }
        return all;
    }
    soci::statement s(session_.sql());
    long long       format = 0;
    int             gtrid = 0, bqual = 0;
    std::string     data;
    s.exchange(soci::into(format));
    s.exchange(soci::into(gtrid));
    s.exchange(soci::into(bqual));
    s.exchange(soci::into(data));
    s.alloc();
    s.prepare("XA RECOVER", soci::details::st_one_time_query);
    s.define_and_bind();
    for (bool more = s.execute(true); more; more = s.fetch())
        if (gtrid >= 0 && bqual >= 0 && data.size() == static_cast<std::size_t>(gtrid) + static_cast<std::size_t>(bqual))
            all.push_back({data.substr(0, static_cast<std::size_t>(gtrid)), data.substr(static_cast<std::size_t>(gtrid))});
    return all;
}

void check_xa(server_session& session)
{
    if (session.kind() == server_kind::postgres)
    {
        std::string limit;
        session.sql() << "SHOW max_prepared_transactions", soci::into(limit);
        if (limit == "0")
            throw std::runtime_error(
                "the server prepares no transactions: set max_prepared_transactions in postgresql.conf to as many as may be "
                "prepared at once, and restart it");
        return;
    }
    try
    {
        xa_protocol(session).prepared();
    }
    catch (std::exception const& e)
    {
        throw std::runtime_error(
            "the server does not list prepared XA transactions to this user (MySQL 8: GRANT XA_RECOVER_ADMIN ON *.*): " +
            server_message(e));
    }
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
