// expect: must not capture
// expect: cannot be a reference
// expect: takes a plain function, not another adapter
#include <weft/sql.hpp>
#include <weft/weft.hpp>

std::int64_t charge(soci::session& sql, std::int64_t cents);

auto wrong(weft::database& db, [[maybe_unused]] std::int64_t fee)
{
#if defined(RIGHT)
    return weft::sql(db)([](soci::session& sql, std::int64_t cents) { return charge(sql, cents + 1); });
#elif WRONG == 1
    return weft::sql(db)([fee](soci::session& sql, std::int64_t cents) { return charge(sql, cents + fee); });
#elif WRONG == 2
    return weft::sql(db)(std::ref(charge));
#elif WRONG == 3
    return weft::sql(db)(weft::sql(db)(&charge));
#endif
}
