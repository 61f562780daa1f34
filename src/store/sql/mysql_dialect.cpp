#include "src/store/sql/dialect.hpp"

#include <soci/mysql/soci-mysql.h>

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

// The rows are written into the statement's text.
class mysql_multi_row final : public multi_row
{
public:
    mysql_multi_row(detail::server_session& session, std::string head, std::string tail, std::size_t columns)
        : multi_row(columns)
        , session_(session)
        , open_(session.is_mariadb() ? "(" : "ROW(")
        , head_(std::move(head))
        , tail_(std::move(tail))
        , text_(head_)
    { }

    void text(std::string_view value) override
    {
        next(value.size());
        detail::append_mysql_literal(text_, value);
        end();
    }
    void bytes(std::string_view value) override
    {
        next(value.size());
        text_ += "_binary";
        detail::append_mysql_literal(text_, value);
        end();
    }
    void number(std::int64_t value) override
    {
        next(8);
        text_ += std::to_string(value);
        end();
    }
    void null() override
    {
        next(4);
        text_ += "NULL";
        end();
    }

    std::int64_t execute() override
    {
        struct clearing
        {
            mysql_multi_row* self;
            ~clearing() { self->clear(); }
        } after{this};
        text_ += tail_;
        soci::statement s(session_.sql());
        s.alloc();
        s.prepare(text_, soci::details::st_one_time_query);
        s.define_and_bind();
        s.execute(true);
        return s.get_affected_rows();
    }

    void clear() override
    {
        text_.resize(head_.size());
        forget();
    }

private:
    void next(std::size_t bytes)
    {
        if (values_ % columns_ != 0)
            text_ += ',';
        else
        {
            if (values_ > 0)
                text_ += ',';
            text_ += open_;
        }
        count(bytes);
    }
    void end()
    {
        if (values_ % columns_ == 0)
            text_ += ')';
    }

    detail::server_session& session_;
    char const*             open_;
    std::string             head_, tail_, text_;
};

// The rows' names and types come from a row that there is not.
std::string before_rows(std::span<column const> rows)
{
    std::string text = "(SELECT ";
    for (auto const& c : rows)
    {
        text += &c == rows.data() ? "" : ", ";
        (text += c.type == column::text ? "'' AS " : c.type == column::bytes ? "_binary'' AS " : "0 AS ") += c.name;
    }
    return text + " FROM DUAL WHERE FALSE UNION ALL VALUES ";
}

constexpr char const* after_rows = ") AS v";

class mysql_dialect final : public dialect
{
public:
    std::unique_ptr<multi_row> insert(detail::server_session& s, std::span<column const> rows, std::string const& into,
                                      std::string const& values, std::string const& tail) const override
    {
        return std::make_unique<mysql_multi_row>(s, "INSERT INTO " + into + " SELECT " + values + " FROM " + before_rows(rows),
                                                 after_rows + tail, rows.size());
    }
    // STRAIGHT_JOIN: our rows first, then theirs by the index, whatever the statistics say.
    std::unique_ptr<multi_row> update(detail::server_session& s, std::span<column const> rows, std::string const& table,
                                      std::string const& assignments, std::string const& condition) const override
    {
        return std::make_unique<mysql_multi_row>(s, "UPDATE " + before_rows(rows),
                                                 std::string(after_rows) + " STRAIGHT_JOIN " + table + " AS t ON t.gid = v.gid SET " +
                                                     assignments + " WHERE " + condition,
                                                 rows.size());
    }
    std::unique_ptr<multi_row> insert_with(detail::server_session& s, std::span<column const> rows, std::string const& into,
                                           std::string const& values, std::string const& with, std::string const& tail) const override
    {
        return std::make_unique<mysql_multi_row>(s, "INSERT INTO " + into + " SELECT " + values + " FROM " + before_rows(rows),
                                                 std::string(after_rows) + " STRAIGHT_JOIN " + with + tail, rows.size());
    }

    std::string now() const override { return "UTC_TIMESTAMP(3)"; }
    // Without autocommit, a transaction is open from the first statement on.
    std::string begin_with_time() const override { return "SELECT " + milliseconds_of("UTC_TIMESTAMP(3)"); }
    std::size_t size_of(std::string_view text) const override
    {
        return text.size() + static_cast<std::size_t>(std::count_if(
                                 text.begin(), text.end(), [](char c) { return c == '\0' || c == '\'' || c == '\\' || c == '\x1a'; }));
    }
    std::size_t statement_limit(detail::server_session& session) const override
    {
        long long bytes = 0;
        session.sql() << "SELECT @@max_allowed_packet", soci::into(bytes);
        return static_cast<std::size_t>(bytes);
    }
    void append_literal(std::string& to, std::string_view text) const override { detail::append_mysql_literal(to, text); }
    // Not FROM_UNIXTIME, which ends in 2038.
    std::string time_of(std::string const& ms) const override
    {
        return "TIMESTAMPADD(MICROSECOND, " + ms + " * 1000, TIMESTAMP'1970-01-01 00:00:00.000')";
    }
    std::string milliseconds_of(std::string const& time) const override
    {
        return "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', " + time + ") DIV 1000";
    }
    char const* current_user() const override { return "CURRENT_USER()"; }
    char const* place() const override { return "SELECT DATABASE()"; }
    std::string qualified(std::string const& place, std::string const& name) const override
    {
        std::string text = "`";
        for (char const c : place)
            (text += c) += c == '`' ? "`" : "";
        return text + "`." + name;
    }
    std::string table_exists(std::string const& name) const override
    {
        auto const  dot = name.rfind("`.");
        std::string schema, table;
        append_literal(schema, name.substr(1, dot - 1));
        append_literal(table, name.substr(dot + 2));
        return "SELECT count(*) FROM information_schema.tables WHERE table_schema = " + schema + " AND table_name = " + table;
    }
    std::string without_end(std::string const& t) const override { return "LEFT(" + t + ", CHAR_LENGTH(" + t + ") - 2)"; }
    std::string concatenated(std::string const& a, std::string const& b, std::string const& c) const override
    {
        return "CONCAT(" + a + ", " + b + ", " + c + ")";
    }
    std::string bytes_of(std::string const& text) const override { return "CONVERT(" + text + " USING binary)"; }
    std::string text_of(std::string const& bytes) const override { return "CONVERT(" + bytes + " USING utf8mb4)"; }
    std::string bytes_of_hex(std::string const& digits) const override { return "UNHEX(" + digits + ")"; }
    std::string payload_hex() const override { return "HEX(COALESCE(bin_data, CONVERT(data USING binary)))"; }
    char const* for_update() const override { return " FOR UPDATE"; }
    char const* rows_at_hand() const override { return " FOR UPDATE SKIP LOCKED"; }
    std::string for_key_share(char const*) const override { return " LOCK IN SHARE MODE"; }
    char const* or_nothing() const override { return ""; }
    std::size_t operations_at_once() const noexcept override { return 32; }
    char const* begin_operation() const override { return "SAVEPOINT weft_operation"; }
    char const* end_operation() const override { return "RELEASE SAVEPOINT weft_operation"; }
    std::string checked(std::string const& update) const override
    {
        return update + "; IF ROW_COUNT() <> 1 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '" + no_row + "'; END IF";
    }
    bool says_no_row(std::exception const& e) const override
    {
        auto const* m = dynamic_cast<soci::mysql_soci_error const*>(&e);
        return m && m->get_error_message().find(no_row) != std::string::npos;
    }
    std::string end_operation_with(detail::server_session& session, std::string const& checked_update,
                                   std::string const& settings_before) const override
    {
        if (!session.is_mariadb())
            return {};
        return std::string("BEGIN NOT ATOMIC ") + end_operation() + "; " + checked_update + "; COMMIT; IF " + settings(session) + " <> " +
               literal(settings_before) + " THEN SIGNAL SQLSTATE '01000'; END IF; END";
    }
    std::string settings(detail::server_session& session) const override
    {
        return std::string("CONCAT_WS('|', COALESCE(DATABASE(), '-'), @@autocommit, @@sql_mode, @@time_zone, ") +
               (session.is_mariadb() ? "@@tx_isolation, @@tx_read_only" : "@@transaction_isolation, @@transaction_read_only") +
               ", @@character_set_client, @@character_set_connection, @@collation_connection, @@character_set_results, "
               "@@innodb_lock_wait_timeout, @@foreign_key_checks, @@unique_checks, @@sql_safe_updates, @@sql_select_limit, "
               "@@lock_wait_timeout)";
    }
    // Generated columns: there are no partial indexes.
    std::string unfinished_rows() const override { return "unfinished_owner IS NOT NULL"; }
    // Found, sorted and read one after the other. MariaDB 10.11 loses rows when it sorts what it reads by the index of a generated column
    // and others are changing them meanwhile: it takes an older version's generated column for NULL there. LIMIT keeps the parts apart.
    std::string first_unfinished(std::string const& table, std::string const& condition, bool newest,
                                 std::string const& limit) const override
    {
        return " JOIN (SELECT found_id FROM (SELECT id AS found_id, next_cron_time AS found_at FROM " + table + " WHERE " + condition +
               " LIMIT 18446744073709551615) AS found ORDER BY " + (newest ? "found_id DESC" : "found_at, found_id") + " LIMIT " + limit +
               ") AS first_found ON id = found_id ORDER BY " + (newest ? "id DESC" : "next_cron_time, id");
    }
    std::string unfinished_of(std::string const& owner) const override { return "unfinished_owner = " + owner; }
    std::string cancelled_of(std::string const& owner) const override { return "cancelled_owner = " + owner; }
    std::string ended() const override { return "ended_time"; }
    std::string no_worker(std::string const& kv) const override
    {
        return "NOT EXISTS (SELECT 1 FROM " + kv +
               " AS e WHERE e.cat = 'engine' AND JSON_CONTAINS(e.v, JSON_QUOTE(workflow), '$.workflows'))";
    }
};

}  // namespace

dialect const& mysql() noexcept
{
    static mysql_dialect const d;
    return d;
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
