#include "src/store/sql/dialect.hpp"
#include "src/store/sql/operation_row.hpp"

#include <soci/postgresql/soci-postgresql.h>

#include <vector>

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

// Prepared, with one array in text form for each column.
class postgres_multi_row final : public multi_row
{
public:
    postgres_multi_row(detail::server_session& session, std::string const& statement, std::size_t columns)
        : multi_row(columns)
        , arrays_(columns)
        , statement_(session.sql())
    {
        for (auto& a : arrays_)
            statement_.exchange(soci::use(a));
        statement_.alloc();
        statement_.prepare(statement);
        statement_.define_and_bind();
    }

    void text(std::string_view value) override
    {
        auto& a = next(value.size());
        a += '"';
        for (char const c : value)
        {
            if (c == '"' || c == '\\')
                a += '\\';
            a += c;
        }
        a += '"';
    }
    void bytes(std::string_view value) override
    {
        auto& a = next(value.size());
        a += "\"\\\\x";
        append_hex(a, value);
        a += '"';
    }
    void number(std::int64_t value) override { next(8) += std::to_string(value); }
    void null() override { next(4) += "NULL"; }

    std::int64_t execute() override
    {
        for (auto& a : arrays_)
            a += '}';
        struct clearing
        {
            postgres_multi_row* self;
            ~clearing() { self->clear(); }
        } after{this};
        statement_.execute(true);
        return statement_.get_affected_rows();
    }

    void clear() override
    {
        for (auto& a : arrays_)
            a.clear();
        forget();
    }

private:
    std::string& next(std::size_t bytes)
    {
        auto& a = arrays_[values_ % columns_];
        a += a.empty() ? '{' : ',';
        count(bytes);
        return a;
    }

    std::vector<std::string> arrays_;
    soci::statement          statement_;
};

// unnest(CAST(:a0 AS text[]), …) AS v(gid, …)
std::string source(std::span<column const> rows)
{
    std::string arrays, names;
    for (std::size_t i = 0; i < rows.size(); ++i)
    {
        arrays += (i ? ", CAST(:a" : "CAST(:a") + std::to_string(i) +
                  (rows[i].type == column::text    ? " AS text[])"
                   : rows[i].type == column::bytes ? " AS bytea[])"
                                                   : " AS bigint[])");
        (names += i ? ", " : "") += rows[i].name;
    }
    return "unnest(" + arrays + ") AS v(" + names + ")";
}

class postgres_dialect final : public dialect
{
public:
    std::unique_ptr<multi_row> insert(detail::server_session& s, std::span<column const> rows, std::string const& into,
                                      std::string const& values, std::string const& tail) const override
    {
        return std::make_unique<postgres_multi_row>(s, "INSERT INTO " + into + " SELECT " + values + " FROM " + source(rows) + tail,
                                                    rows.size());
    }
    std::unique_ptr<multi_row> update(detail::server_session& s, std::span<column const> rows, std::string const& table,
                                      std::string const& assignments, std::string const& condition) const override
    {
        return std::make_unique<postgres_multi_row>(
            s, "UPDATE " + table + " AS t SET " + assignments + " FROM " + source(rows) + " WHERE t.gid = v.gid AND " + condition,
            rows.size());
    }
    std::unique_ptr<multi_row> insert_with(detail::server_session& s, std::span<column const> rows, std::string const& into,
                                           std::string const& values, std::string const& with, std::string const& tail) const override
    {
        return std::make_unique<postgres_multi_row>(
            s, "INSERT INTO " + into + " SELECT " + values + " FROM " + source(rows) + " JOIN " + with + tail, rows.size());
    }

    std::string now() const override { return "clock_timestamp()"; }
    std::string begin_with_time() const override { return std::string(begin) + "SELECT " + milliseconds_of("clock_timestamp()"); }
    std::size_t size_of(std::string_view text) const override { return text.size(); }
    std::size_t statement_limit(detail::server_session&) const override { return 0; }
    void        append_literal(std::string& to, std::string_view text) const override { to += detail::postgres_literal(text); }
    std::string time_of(std::string const& ms) const override { return "to_timestamp(CAST(" + ms + " AS bigint) / 1000.0)"; }
    std::string milliseconds_of(std::string const& time) const override
    {
        return "CAST(round(extract(epoch FROM " + time + ") * 1000) AS bigint)";
    }
    char const* current_user() const override { return "current_user"; }
    char const* place() const override { return "SELECT current_schema()"; }
    std::string qualified(std::string const& place, std::string const& name) const override
    {
        std::string text = "\"";
        for (char const c : place)
            (text += c) += c == '"' ? "\"" : "";
        return text + "\"." + name;
    }
    std::string table_exists(std::string const& name) const override
    {
        std::string literal;
        append_literal(literal, name);
        return "SELECT CASE WHEN to_regclass(" + literal + ") IS NULL THEN 0 ELSE 1 END";
    }
    std::string without_end(std::string const& t) const override { return "left(" + t + ", -2)"; }
    std::string concatenated(std::string const& a, std::string const& b, std::string const& c) const override
    {
        return a + " || " + b + " || " + c;
    }
    std::string bytes_of(std::string const& text) const override { return "convert_to(" + text + ", 'UTF8')"; }
    std::string text_of(std::string const& bytes) const override { return "convert_from(" + bytes + ", 'UTF8')"; }
    std::string bytes_of_hex(std::string const& digits) const override { return "decode(" + digits + ", 'hex')"; }
    std::string payload_hex() const override { return "encode(COALESCE(bin_data, convert_to(data, 'UTF8')), 'hex')"; }
    char const* for_update() const override { return " FOR UPDATE"; }
    char const* rows_at_hand() const override { return " FOR UPDATE SKIP LOCKED"; }
    std::string for_key_share(char const* alias) const override { return std::string(" FOR KEY SHARE OF ") + alias; }
    char const* or_nothing() const override { return " ON CONFLICT DO NOTHING"; }
    std::size_t operations_at_once() const noexcept override { return 16; }
    char const* begin_operation() const override { return "SAVEPOINT weft_operation; SET LOCAL enable_seqscan = on"; }
    char const* end_operation() const override { return "RELEASE SAVEPOINT weft_operation; SET LOCAL enable_seqscan = off"; }
    std::string prepare_operations(detail::server_session& session, std::string const& extends) const override
    {
        return "PREPARE weft_begin AS SELECT " + milliseconds_of("clock_timestamp()") + ", " + settings(session) +
               "; PREPARE weft_extend (text, text, bigint, text, bigint, bigint) AS " + checked(extends);
    }
    std::string begin_operation_with_time() const override { return std::string(begin) + begin_operation() + "; EXECUTE weft_begin"; }
    std::string checked(std::string const& update) const override
    {
        return "WITH met AS (" + update + " RETURNING 1) SELECT CASE count(*) WHEN 1 THEN 1 ELSE CAST('" + no_row +
               "' || count(*) AS int) END FROM met";
    }
    bool says_no_row(std::exception const& e) const override
    {
        auto const* p = dynamic_cast<soci::postgresql_soci_error const*>(&e);
        return p && p->get_error_message().find(std::string(no_row) + '0') != std::string::npos;
    }
    std::string end_operation_with(detail::server_session&, std::string const& checked_update, std::string const&) const override
    {
        return std::string(end_operation()) + "; " + checked_update + "; COMMIT";
    }
    // Advisory locks of the session stay as well. They are not looked for: the table of locks is dear.
    std::string settings(detail::server_session&) const override
    {
        std::string text = "concat_ws('|', current_user, pg_my_temp_schema()";
        for (auto const* name : {"search_path", "TimeZone", "standard_conforming_strings", "client_encoding", "DateStyle", "IntervalStyle",
                                 "default_transaction_isolation", "default_transaction_read_only", "statement_timeout", "lock_timeout",
                                 "idle_in_transaction_session_timeout", "synchronous_commit", "session_replication_role", "row_security"})
            ((text += ", current_setting('") += name) += "')";
        return text + ')';
    }
    std::string unfinished_rows() const override { return unfinished; }
    std::string unfinished_of(std::string const& owner) const override { return "owner = " + owner + " AND " + unfinished; }
    std::string cancelled_of(std::string const& owner) const override
    {
        return "owner = " + owner + " AND cancel_requested = 1 AND status = 'prepared'";
    }
    std::string ended() const override { return ended_time; }
    std::string no_worker(std::string const& kv) const override
    {
        return "NOT EXISTS (SELECT 1 FROM " + kv +
               " AS e WHERE e.cat = 'engine' AND jsonb_exists(CAST(e.v AS jsonb) -> 'workflows', workflow))";
    }

private:
    static constexpr char const* begin = "BEGIN ISOLATION LEVEL READ COMMITTED; ";
};

}  // namespace

dialect const& postgres() noexcept
{
    static postgres_dialect const d;
    return d;
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
