// The payment service: the users' cards, and what was paid with them.
//
//     shop_payment DATABASE PORT
#include "service.hpp"

#include <weft/errors.hpp>

#include <iostream>

namespace {

void set_up(soci::session& sql)
{
    sql << "CREATE TABLE IF NOT EXISTS cards (owner text PRIMARY KEY, cents integer)";
    sql << "CREATE TABLE IF NOT EXISTS payments (number integer PRIMARY KEY AUTOINCREMENT, order_id text, owner text, cents integer)";
    sql << "INSERT OR IGNORE INTO cards VALUES ('alice', 150000), ('bob', 2000)";
}

// Saga. Returns the payment's number.
std::int64_t pay(soci::session& sql, purchase const& p)
{
    soci::statement charge = (sql.prepare << "UPDATE cards SET cents = cents - :c WHERE owner = :owner AND cents >= :c",
                              soci::use(p.cents, "c"), soci::use(p.user, "owner"));
    if (!changes(charge))
        throw weft::failure("the card of " + p.user + " was declined");
    sql << "INSERT INTO payments (order_id, owner, cents) VALUES (:id, :owner, :c)", soci::use(p.id), soci::use(p.user), soci::use(p.cents);
    std::int64_t number = 0;
    sql << "SELECT last_insert_rowid()", soci::into(number);
    return number;
}

void refund(soci::session& sql, purchase const& p)
{
    sql << "UPDATE cards SET cents = cents + :c WHERE owner = :owner", soci::use(p.cents, "c"), soci::use(p.user, "owner");
    sql << "INSERT INTO payments (order_id, owner, cents) VALUES (:id, :owner, 0 - :c)", soci::use(p.id), soci::use(p.user),
        soci::use(p.cents);
}

boost::json::object books(soci::session& sql)
{
    std::int64_t on_cards = 0, paid = 0, payments = 0;
    sql << "SELECT sum(cents) FROM cards", soci::into(on_cards);
    sql << "SELECT count(*), COALESCE(sum(cents), 0) FROM payments", soci::into(payments), soci::into(paid);
    return {{"on_cards", on_cards}, {"paid", paid}, {"payments", payments}};
}

}  // namespace

int main(int argc, char** argv)
try
{
    if (argc != 3)
    {
        std::cerr << "usage: shop_payment DATABASE PORT\n";
        return 2;
    }
    service payment("payment", argv[1], &set_up);
    payment.operation("/pay", &pay);
    payment.operation("/refund", &refund);
    payment.get("/books", &books);
    payment.run(static_cast<unsigned short>(std::stoi(argv[2])));
}
catch (std::exception const& e)
{
    std::cerr << "shop_payment: " << e.what() << '\n';
    return 1;
}
