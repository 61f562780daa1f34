#include "src/store/sql/sqlite_statements.hpp"

namespace weft {
inline namespace v0 {
namespace sql_store {

int code_of(std::exception const& e) noexcept
{
    if (auto const* s = dynamic_cast<soci::sqlite3_soci_error const*>(&e))
        return s->result() & 0xff;
    return SQLITE_ERROR;
}

std::string message_of(std::exception const& e)
{
    if (auto const* s = dynamic_cast<soci::soci_error const*>(&e))
        return s->get_error_message();
    return e.what();
}

void execute(soci::session& sql, char const* text)
{
    char*     message = nullptr;
    int const code = sqlite_api::sqlite3_exec(handle(sql), text, nullptr, nullptr, &message);
    if (code == SQLITE_OK)
        return;
    std::string const what = message ? message : sqlite_api::sqlite3_errstr(code);
    sqlite_api::sqlite3_free(message);
    throw soci::sqlite3_soci_error(what, code);
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
