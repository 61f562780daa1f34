/// \file
/// The barrier for participants that use SQLite directly, without SOCI.
#pragma once

#ifdef SOCI_SQLITE3_H_INCLUDED
#error "SOCI's <soci/sqlite3/soci-sqlite3.h> hides SQLite's names in a namespace of its own: use the two in different source files"
#endif

#include <weft/barrier.hpp>

#include <sqlite3.h>

#include <memory>
#include <stdexcept>

namespace weft {
inline namespace v0 {

/// Lets the barrier use a plain `sqlite3*`.
///
/// Lifetimes: `db` outlives this. Thread safety: one thread at a time.
/// Errors: std::runtime_error with SQLite's own message. The business should not go on in that local transaction.
class sqlite3_connection final : public barrier_connection
{
public:
    explicit sqlite3_connection(sqlite3* db) noexcept : db_(db) { }

    sql_dialect       dialect() const noexcept override { return sql_dialect::sqlite; }
    local_transaction transaction() const noexcept override
    {
        return sqlite3_get_autocommit(db_) ? local_transaction::none : local_transaction::open;
    }

    std::int64_t execute(std::string_view sql, std::span<std::string_view const> parameters) override
    {
        auto const s = prepare(sql, parameters);
        while (step(s.get()))
            ;
        // A statement that changes no table leaves the count of the one before.
        return sqlite3_stmt_readonly(s.get()) ? 0 : sqlite3_changes(db_);
    }

    std::optional<row> query_row(std::string_view sql, std::span<std::string_view const> parameters, std::size_t columns) override
    {
        auto const s = prepare(sql, parameters);
        if (!step(s.get()))
            return std::nullopt;
        row found(columns);
        for (std::size_t i = 0; i < columns; ++i)
        {
            auto const column = static_cast<int>(i);
            if (auto const* const text = sqlite3_column_text(s.get(), column))
                found[i].emplace(reinterpret_cast<char const*>(text), static_cast<std::size_t>(sqlite3_column_bytes(s.get(), column)));
        }
        return found;
    }

private:
    struct finalize
    {
        void operator()(sqlite3_stmt* s) const noexcept { sqlite3_finalize(s); }
    };
    using statement = std::unique_ptr<sqlite3_stmt, finalize>;

    statement prepare(std::string_view sql, std::span<std::string_view const> parameters)
    {
        sqlite3_stmt* made = nullptr;
        check(sqlite3_prepare_v2(db_, sql.data(), static_cast<int>(sql.size()), &made, nullptr));
        statement s(made);
        int       position = 0;
        for (auto const p : parameters)
            check(sqlite3_bind_text64(made, ++position, p.data() ? p.data() : "", p.size(), SQLITE_STATIC, SQLITE_UTF8));
        return s;
    }

    bool step(sqlite3_stmt* s)
    {
        int const code = sqlite3_step(s);
        if (code != SQLITE_ROW && code != SQLITE_DONE)
            check(code);
        return code == SQLITE_ROW;
    }

    void check(int code)
    {
        if (code != SQLITE_OK)
            throw std::runtime_error(std::string("sqlite: ") + sqlite3_errmsg(db_));
    }

    sqlite3* db_;
};

}  // namespace v0
}  // namespace weft
