#include "src/store/sql/sql_words.hpp"

#include <algorithm>
#include <limits>

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

class sqlite_words final : public sql_words
{
public:
    void append_literal(std::string& to, std::string_view text) const override
    {
        to += '\'';
        for (char const c : text)
            if (c == '\0')
                to += "' || char(0) || '";  // in a statement's text it would be the end
            else
                (to += c) += c == '\'' ? "'" : "";
        to += '\'';
    }
    std::string time_of(std::string const& milliseconds) const override { return milliseconds; }
    std::string milliseconds_of(std::string const& time) const override { return time; }
    std::string payload_hex() const override { return "hex(COALESCE(bin_data, data))"; }
    char const* for_update() const override { return ""; }
    char const* rows_at_hand() const override { return ""; }
    std::string unfinished_rows() const override { return unfinished; }
    std::string unfinished_of(std::string const& owner) const override { return "owner = " + owner + " AND " + unfinished; }
    std::string cancelled_of(std::string const& owner) const override
    {
        return "owner = " + owner + " AND cancel_requested = 1 AND status = 'prepared'";
    }
    std::string ended() const override { return ended_time; }
    std::string no_worker(std::string const& kv) const override
    {
        return "workflow NOT IN (SELECT w.value FROM " + kv + " AS e, json_each(e.v, '$.workflows') AS w WHERE e.cat = 'engine')";
    }
};

}  // namespace

sql_words const& sqlite() noexcept
{
    static sqlite_words const words;
    return words;
}

table_names const& sqlite_tables()
{
    static table_names const tables("main.");
    return tables;
}

std::string limit_of(std::size_t rows)
{
    return std::to_string(std::min<std::size_t>(rows, static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max() / 2)));
}

std::int64_t change(soci::session& sql, std::string const& text)
{
    soci::statement s(sql);
    s.alloc();
    s.prepare(text, soci::details::st_one_time_query);
    s.define_and_bind();
    s.execute(true);
    return s.get_affected_rows();
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
