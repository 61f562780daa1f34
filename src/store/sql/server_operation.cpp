#include "src/store/sql/server_operation.hpp"

#include <weft/soci_connection.hpp>

#include <stdexcept>

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

// It came to nothing, without an error.
struct undone : std::exception
{ };

// An operation has ended the transaction that it was given.
struct ended_by_operation : std::runtime_error
{
    using std::runtime_error::runtime_error;
};

// An operation's connection. A savepoint before it is gone if the operation ends the transaction, even to begin another. (If the
// session is lost the server has rolled it back: that is trouble like any other, and nothing for a person to look at.)
class local_writer final : public record_writer
{
public:
    // An operation has begun on it.
    local_writer(sql_store::connection& c, dialect const& d, std::int64_t now) : connection_(c), dialect_(d), now_(now) { }

    std::any connection() override { return &connection_.session.sql(); }
    std::any prepared() override
    {
        if (!connection_.prepared)
            connection_.prepared.emplace(connection_.session.sql());
        return &*connection_.prepared;
    }

    bool record(extend_write const& w) override
    {
        auto& session = connection_.session;
        if (session.where() == detail::server_session::transaction::open && session.reads_as_before() &&
            connection_.writes->too_large(w).empty())
            if (auto const update = connection_.writes->statement_of(w, now_, !dialect_.begin_operation_with_time().empty());
                !update.empty())
                last_ = dialect_.end_operation_with(session, update, connection_.settings);
        if (!last_.empty())
            return true;
        end_operation();
        if (now_ == 0)
            session.sql() << dialect_.begin_with_time(), soci::into(now_);
        return connection_.writes->extend(w, now_);
    }

    // Commits, if the journal's entry goes with it. Throws undone if the row was not as it has to be.
    void commit()
    {
        if (last_.empty())
            return;
        try
        {
            connection_.session.execute(last_);
            connection_.lent = !dialect_.begin_operation_with_time().empty() || connection_.session.has_warned();
            connection_.committed = true;
        }
        catch (std::exception const& e)
        {
            if (dialect_.says_no_row(e))
                throw undone();
            if (detail::says_no_savepoint(e))
                throw_ended(e);
            throw;
        }
    }

    bool applied(extend_write const& w) override { return connection_.writes->is_applied(w); }

    void end_operation()
    {
        if (std::exchange(ended_, true))
            return;
        try
        {
            connection_.session.execute(dialect_.end_operation());
            if (!connection_.session.reads_as_before())
                throw std::runtime_error("it has changed how the session that it shares with its journal entry is read (character set, "
                                         "backslashes in literals, autocommit): nothing that was done there counts");
        }
        catch (std::exception const& e)
        {
            if (connection_.session.where() == detail::server_session::transaction::failed)
                return;  // by an error of its own: what comes next says so
            if (!detail::says_no_savepoint(e))
                throw;
            throw_ended(e);
        }
    }

private:
    [[noreturn]] static void throw_ended(std::exception const& e)
    {
        throw ended_by_operation("its local transaction was ended while it ran: what it had done by then may count, without its "
                                 "journal entry (" +
                                 detail::server_message(e) + ")");
    }

    sql_store::connection& connection_;
    dialect const&         dialect_;
    std::int64_t           now_;
    bool                   ended_ = false;
    std::string            last_;  // what is left to be sent: the entry, and the commit
};

// A connection that is lost here, or a server that ends what it does, leaves it in doubt. One that rejects the statement has committed nothing.
void commit_entry(local_writer& writer, server_connections const& on)
{
    try
    {
        writer.commit();
    }
    catch (undone const&)
    {
        throw;
    }
    catch (std::exception const& e)
    {
        if (detail::fault_of(e) == detail::server_fault::trouble)
            throw on.as_store_error(e, detail::may_pass(e));
        throw;
    }
}

}  // namespace

write_result apply_local(server_connections& on, dialect const& d, local_write const& w)
{
    try
    {
        auto const work = [&](connection& c, std::int64_t now) {
            local_writer writer(c, d, now);
            if (w.operation->run(writer))
                return commit_entry(writer, on);
            try
            {
                writer.end_operation();
            }
            catch (ended_by_operation const&)
            {
                throw;
            }
            catch (std::exception const&)
            {
                // All is undone, and it has said what there is to say. Not again with its batch: it may be what the session died of.
            }
            throw undone();
        };
        on.in_transaction(session_use::operation, work);
        return {};
    }
    catch (undone const&)
    {
        return {written::refused, {}, {}};
    }
    catch (store_error const&)
    {
        throw;
    }
    catch (std::exception const& e)
    {
        return {written::refused, e.what(), {}};
    }
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
