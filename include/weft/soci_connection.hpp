/// \file
/// The barrier for participants that use SOCI. <weft/sql.hpp> includes this and SOCI.
#pragma once

#include <weft/barrier.hpp>

#include <memory>

namespace soci {
class session;
}

namespace weft {
inline namespace v0 {

/// Lets the barrier use a SOCI session. Keeps the statements that it prepared: worth keeping as long as the session.
///
/// Lifetimes: `session` outlives this. Thread safety: one thread at a time.
/// Errors: std::runtime_error with the database's message only (SOCI's own `what()` quotes the parameters). misuse if the session's
/// backend is none that the barrier knows.
class soci_connection final : public barrier_connection
{
public:
    explicit soci_connection(soci::session& session);
    ~soci_connection() override;

    soci::session& session() const noexcept { return session_; }

    sql_dialect        dialect() const noexcept override { return dialect_; }
    local_transaction  transaction() const noexcept override;
    std::int64_t       execute(std::string_view sql, std::span<std::string_view const> parameters) override;
    std::optional<row> query_row(std::string_view sql, std::span<std::string_view const> parameters, std::size_t columns) override;

private:
    struct prepared;
    class statement_cache;

    soci::session&                   session_;
    sql_dialect                      dialect_;
    std::unique_ptr<statement_cache> statements_;
};

}  // namespace v0
}  // namespace weft
