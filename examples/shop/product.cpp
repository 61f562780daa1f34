// The product service: what there is of each article.
//
//     shop_product DATABASE PORT
#include "service.hpp"

#include <weft/errors.hpp>

#include <iostream>

namespace {

void set_up(soci::session& sql)
{
    sql << "CREATE TABLE IF NOT EXISTS stock (article text PRIMARY KEY, on_hand integer, reserved integer, sold integer)";
    sql << "CREATE TABLE IF NOT EXISTS shipments (order_id text, article text, quantity integer)";
    sql << "INSERT OR IGNORE INTO stock VALUES ('mug', 200, 0, 0), ('teapot', 3, 0, 0)";
}

//[tcc
// TCC: reserved now, and later either sold or put back.
void reserve(soci::session& sql, purchase const& p)
{
    soci::statement take = (sql.prepare << "UPDATE stock SET on_hand = on_hand - :n, reserved = reserved + :n "
                                           "WHERE article = :article AND on_hand >= :n",
                            soci::use(p.quantity, "n"), soci::use(p.article, "article"));
    if (!changes(take))
        throw weft::failure("out of stock: " + p.article);
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
//]

// Saga: sold now, and undone if something later fails.
void deduct(soci::session& sql, purchase const& p)
{
    soci::statement take = (sql.prepare << "UPDATE stock SET on_hand = on_hand - :n, sold = sold + :n "
                                           "WHERE article = :article AND on_hand >= :n",
                            soci::use(p.quantity, "n"), soci::use(p.article, "article"));
    if (!changes(take))
        throw weft::failure("out of stock: " + p.article);
}

void restore(soci::session& sql, purchase const& p)
{
    sql << "UPDATE stock SET sold = sold - :n, on_hand = on_hand + :n WHERE article = :article", soci::use(p.quantity, "n"),
        soci::use(p.article, "article");
}

// A subscriber: what has been paid is sent.
void ship(soci::session& sql, purchase const& p)
{
    sql << "INSERT INTO shipments VALUES (:id, :article, :n)", soci::use(p.id), soci::use(p.article), soci::use(p.quantity);
}

boost::json::object books(soci::session& sql)
{
    std::int64_t on_hand = 0, reserved = 0, sold = 0, shipments = 0;
    sql << "SELECT sum(on_hand), sum(reserved), sum(sold) FROM stock", soci::into(on_hand), soci::into(reserved), soci::into(sold);
    sql << "SELECT count(*) FROM shipments", soci::into(shipments);
    return {{"on_hand", on_hand}, {"reserved", reserved}, {"sold", sold}, {"shipments", shipments}};
}

}  // namespace

int main(int argc, char** argv)
try
{
    if (argc != 3)
    {
        std::cerr << "usage: shop_product DATABASE PORT\n";
        return 2;
    }
    service product("product", argv[1], &set_up);
    product.operation("/reserve", &reserve);
    product.operation("/confirm", &confirm);
    product.operation("/release", &release);
    product.operation("/deduct", &deduct);
    product.operation("/restore", &restore);
    product.operation("/ship", &ship);
    product.get("/books", &books);
    product.run(static_cast<unsigned short>(std::stoi(argv[2])));
}
catch (std::exception const& e)
{
    std::cerr << "shop_product: " << e.what() << '\n';
    return 1;
}
