// SOCI as the barrier sees it.
#include "src/sql/server_session.hpp"

#include <weft/detail/sql_operation.hpp>
#include <weft/errors.hpp>
#include <weft/sql.hpp>

#include <soci/mysql/soci-mysql.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <unordered_map>

namespace weft {
inline namespace v0 {

namespace {

sql_dialect dialect_of(soci::session& session)
{
    auto const name = session.get_backend_name();
    if (name == "sqlite3")
        return sql_dialect::sqlite;
    if (name == "postgresql")
        return sql_dialect::postgres;
    if (name == "mysql")
        return sql_dialect::mysql;
    throw misuse(misuse::code::wrong_call, "the barrier does not know SOCI's backend \"" + name + "\"");
}

struct text_hash
{
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const noexcept { return std::hash<std::string_view>{}(s); }
};

}  // namespace

// A statement with the variables that it is bound to.
struct soci_connection::prepared
{
    prepared(soci::session& session, std::string_view sql, std::size_t parameters, std::size_t columns)
        : in(parameters)
        , out(columns)
        , is(columns, soci::i_ok)
        , statement(session)
    {
        for (auto& p : in)
            statement.exchange(soci::use(p));
        for (std::size_t i = 0; i < columns; ++i)
            statement.exchange(soci::into(out[i], is[i]));
        statement.alloc();
        statement.prepare(number_placeholders(sql, ":p"));
        statement.define_and_bind();
    }

    std::vector<std::string>     in, out;
    std::vector<soci::indicator> is;
    soci::statement              statement;
};

class soci_connection::statement_cache
{
public:
    // Calls `f` with the statement, prepared and its parameters set. One that failed is not used again.
    template <class F>
    auto use(soci::session& session, std::string_view sql, std::span<std::string_view const> parameters, std::size_t columns, F f)
    {
        try
        {
            auto found = statements_.find(sql);
            if (found == statements_.end())
                found = statements_.emplace(std::string(sql), std::make_unique<prepared>(session, sql, parameters.size(), columns)).first;
            auto& s = *found->second;
            for (std::size_t i = 0; i < parameters.size(); ++i)
                s.in[i] = parameters[i];
            return f(s);
        }
        catch (...)
        {
            if (auto const failed = statements_.find(sql); failed != statements_.end())
                statements_.erase(failed);
            detail::rethrow_without_parameters();
        }
    }

private:
    std::unordered_map<std::string, std::unique_ptr<prepared>, text_hash, std::equal_to<>> statements_;
};

soci_connection::soci_connection(soci::session& session)
    : session_(session)
    , dialect_(dialect_of(session))
    , statements_(std::make_unique<statement_cache>())
{ }

soci_connection::~soci_connection() = default;

// What the client library has heard with the last answer.
local_transaction soci_connection::transaction() const noexcept
{
    switch (dialect_)
    {
    case sql_dialect::sqlite:
    {
        auto* const db = static_cast<soci::sqlite3_session_backend*>(session_.get_backend())->conn_;
        return sqlite_api::sqlite3_get_autocommit(db) ? local_transaction::none : local_transaction::open;
    }
    case sql_dialect::postgres:
    {
        auto* const db = static_cast<soci::postgresql_session_backend*>(session_.get_backend())->conn_;
        return PQtransactionStatus(db) == PQTRANS_IDLE ? local_transaction::none : local_transaction::open;
    }
    case sql_dialect::mysql:
    {
        auto const status = static_cast<soci::mysql_session_backend*>(session_.get_backend())->conn_->server_status;
        if ((status & SERVER_STATUS_AUTOCOMMIT) == 0)
            return local_transaction::open;  // from the first statement on
        return (status & SERVER_STATUS_IN_TRANS) != 0 ? local_transaction::fragile : local_transaction::none;
    }
    }
    return local_transaction::unknown;
}

std::int64_t soci_connection::execute(std::string_view sql, std::span<std::string_view const> parameters)
{
    return statements_->use(session_, sql, parameters, 0, [](prepared& s) -> std::int64_t {
        s.statement.execute(true);
        return s.statement.get_affected_rows();
    });
}

std::optional<barrier_connection::row> soci_connection::query_row(std::string_view sql, std::span<std::string_view const> parameters,
                                                                  std::size_t columns)
{
    return statements_->use(session_, sql, parameters, columns, [&](prepared& s) -> std::optional<row> {
        if (!s.statement.execute(true))
            return std::nullopt;
        row found(columns);
        for (std::size_t i = 0; i < columns; ++i)
            if (s.is[i] != soci::i_null)
                found[i] = s.out[i];
        // To the end: a kept statement that has more to give would keep its snapshot of the database.
        while (s.statement.fetch())
            ;
        return found;
    });
}

namespace detail {

outcome outcome_of_current_sql_exception(bool& permanent) noexcept
{
    try
    {
        try
        {
            rethrow_without_parameters();
        }
        catch (...)
        {
            return outcome_of_current_exception(permanent);
        }
    }
    catch (...)
    {
        return outcome::error({});
    }
}

void rethrow_without_parameters()
{
    try
    {
        throw;
    }
    catch (soci::soci_error const& e)
    {
        throw std::runtime_error(server_message(e));
    }
}

soci_connection& connection_of(record_writer& writer, std::optional<soci_connection>& made)
{
    auto const prepared = writer.prepared();
    if (auto* const* there = std::any_cast<soci_connection*>(&prepared))
        return **there;
    auto const  connection = writer.connection();
    auto* const session = std::any_cast<soci::session*>(&connection);
    if (!session || !*session)
        throw misuse(misuse::code::wrong_call, "weft::sql(db, f) in the store's own database needs a store that uses SOCI");
    return made.emplace(**session);
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
