#include "stock.hpp"

#include <weft/barrier.hpp>
#include <weft/errors.hpp>
#include <weft/sql.hpp>

void set_up(soci::session& sql)
{
    sql << "PRAGMA journal_mode = WAL";
    sql << "PRAGMA synchronous = FULL";
    soci::transaction t(sql);
    sql << "CREATE TABLE IF NOT EXISTS stock (article text PRIMARY KEY, on_hand integer, reserved integer, sold integer)";
    // Named: SOCI executes when the statement's temporaries are being destroyed.
    for (std::string const article : {"mug", "teapot"})
        sql << "INSERT OR IGNORE INTO stock VALUES (:a, 100, 0, 0)", soci::use(article);
    weft::soci_connection connection(sql);
    weft::barrier::create_table(connection);
    t.commit();
}

std::int64_t reserve(soci::session& sql, purchase const& p)
{
    soci::statement take = (sql.prepare << "UPDATE stock SET on_hand = on_hand - :n, reserved = reserved + :n "
                                           "WHERE article = :article AND on_hand >= :n",
                            soci::use(p.quantity, "n"), soci::use(p.article, "article"));
    take.execute(true);
    if (take.get_affected_rows() == 0)
        throw weft::failure("out of stock: " + p.article);
    std::int64_t left = 0;
    sql << "SELECT on_hand FROM stock WHERE article = :a", soci::use(p.article), soci::into(left);
    return left;
}

void confirm(soci::session& sql, purchase const& p)
{
    sql << "UPDATE stock SET reserved = reserved - :n, sold = sold + :n WHERE article = :article", soci::use(p.quantity, "n"),
        soci::use(p.article, "article");
}

void release(soci::session& sql, purchase const& p)
{
    sql << "UPDATE stock SET reserved = reserved - :n, on_hand = on_hand + :n WHERE article = :article", soci::use(p.quantity, "n"),
        soci::use(p.article, "article");
}
