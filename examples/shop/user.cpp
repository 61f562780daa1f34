// The user service: what each user may still spend.
//
//     shop_user DATABASE PORT
#include "service.hpp"

#include <weft/errors.hpp>

#include <iostream>

namespace {

void set_up(soci::session& sql)
{
    sql << "CREATE TABLE IF NOT EXISTS users (name text PRIMARY KEY, available integer, reserved integer, spent integer, points integer)";
    sql << "INSERT OR IGNORE INTO users VALUES ('alice', 200000, 0, 0, 0), ('bob', 200000, 0, 0, 0)";
}

// TCC: of what the user may spend, some is reserved, and later either spent or free again.
void reserve(soci::session& sql, purchase const& p)
{
    soci::statement take = (sql.prepare << "UPDATE users SET available = available - :c, reserved = reserved + :c "
                                           "WHERE name = :name AND available >= :c",
                            soci::use(p.cents, "c"), soci::use(p.user, "name"));
    if (!changes(take))
        throw weft::failure(p.user + " may not spend so much");
}

void confirm(soci::session& sql, purchase const& p)
{
    sql << "UPDATE users SET reserved = reserved - :c, spent = spent + :c WHERE name = :name", soci::use(p.cents, "c"),
        soci::use(p.user, "name");
}

void release(soci::session& sql, purchase const& p)
{
    sql << "UPDATE users SET reserved = reserved - :c, available = available + :c WHERE name = :name", soci::use(p.cents, "c"),
        soci::use(p.user, "name");
}

// Saga: spent now, and given back if something later fails.
void spend(soci::session& sql, purchase const& p)
{
    soci::statement take = (sql.prepare << "UPDATE users SET available = available - :c, spent = spent + :c "
                                           "WHERE name = :name AND available >= :c",
                            soci::use(p.cents, "c"), soci::use(p.user, "name"));
    if (!changes(take))
        throw weft::failure(p.user + " may not spend so much");
}

void give_back(soci::session& sql, purchase const& p)
{
    sql << "UPDATE users SET spent = spent - :c, available = available + :c WHERE name = :name", soci::use(p.cents, "c"),
        soci::use(p.user, "name");
}

// A subscriber: who has paid gets points.
void thank(soci::session& sql, purchase const& p)
{
    sql << "UPDATE users SET points = points + :c / 100 WHERE name = :name", soci::use(p.cents, "c"), soci::use(p.user, "name");
}

boost::json::object books(soci::session& sql)
{
    std::int64_t available = 0, reserved = 0, spent = 0, points = 0;
    sql << "SELECT sum(available), sum(reserved), sum(spent), sum(points) FROM users", soci::into(available), soci::into(reserved),
        soci::into(spent), soci::into(points);
    return {{"available", available}, {"reserved", reserved}, {"spent", spent}, {"points", points}};
}

}  // namespace

int main(int argc, char** argv)
try
{
    if (argc != 3)
    {
        std::cerr << "usage: shop_user DATABASE PORT\n";
        return 2;
    }
    service user("user", argv[1], &set_up);
    user.operation("/reserve", &reserve);
    user.operation("/confirm", &confirm);
    user.operation("/release", &release);
    user.operation("/spend", &spend);
    user.operation("/give-back", &give_back);
    user.operation("/thank", &thank);
    user.get("/books", &books);
    user.run(static_cast<unsigned short>(std::stoi(argv[2])));
}
catch (std::exception const& e)
{
    std::cerr << "shop_user: " << e.what() << '\n';
    return 1;
}
