// expect: is called as f\(soci::session&, arguments\.\.\.\)
// expect: is called as f\(soci::session&, arguments\.\.\.\)
// expect: is called as f\(soci::session&, arguments\.\.\.\)
// expect: returns its result plainly, not as an awaitable
// expect: return a value such as std::string, not a view or a pointer
#include <weft/sql.hpp>
#include <weft/weft.hpp>

std::int64_t charge(soci::session& sql, std::string const& account, std::int64_t cents);
std::int64_t told(weft::branch const& where, soci::session& sql, std::string const& account, std::int64_t cents);
void         undo(soci::session& sql, std::string account, std::int64_t cents);

std::int64_t                         session_last(std::string const& account, std::int64_t cents, soci::session& sql);
std::int64_t                         other_arguments(soci::session& sql, std::string const& account);
std::int64_t                         changes_them(soci::session& sql, std::string& account, std::int64_t cents);
boost::asio::awaitable<std::int64_t> waits(soci::session& sql, std::string account, std::int64_t cents);
std::string_view                     shows(soci::session& sql, std::string const& account, std::int64_t cents);

weft::workflow<void> body(weft::context& wf, weft::database& db, std::string account)
{
#if defined(RIGHT)
    co_await wf.saga("charge", weft::sql(db)(&charge), weft::sql(db)(&undo), account, std::int64_t(5));
    co_await wf.saga("told", weft::sql(db)(&told), weft::sql(db)(&undo), account, std::int64_t(5));
#elif WRONG == 1
    co_await wf.saga("charge", weft::sql(db)(&session_last), weft::sql(db)(&undo), account, std::int64_t(5));
#elif WRONG == 2
    co_await wf.saga("charge", weft::sql(db)(&charge), weft::sql(db)(&other_arguments), account, std::int64_t(5));
#elif WRONG == 3
    co_await wf.step("charge", weft::sql(db)(&changes_them), account, std::int64_t(5));
#elif WRONG == 4
    co_await wf.step("charge", weft::sql(db)(&waits), account, std::int64_t(5));
#elif WRONG == 5
    co_await wf.step("charge", weft::sql(db)(&shows), account, std::int64_t(5));
#endif
}
