#include "shop.hpp"

#include <weft/open_store.hpp>
#include <weft/sql.hpp>

#include <array>

namespace {

struct article
{
    char const*  name;
    std::int64_t pieces;
};
struct customer
{
    char const*  name;
    std::int64_t cents;
};

// orders.jsonl asks for more teapots, kettles and lamps than there are.
constexpr std::array opening_stock{
    article{"mug", 1900},   article{"teapot", 850}, article{"plate", 1300},  article{"bowl", 1200},
    article{"kettle", 480}, article{"spoon", 900},  article{"candle", 800},  article{"lamp", 350},
    article{"vase", 700},   article{"clock", 600},  article{"blanket", 500}, article{"basket", 500},
};

// The last five have expensive tastes.
constexpr std::array opening_balances{
    customer{"ada", 2'000'000},      customer{"alan", 2'000'000},     customer{"barbara", 2'000'000}, customer{"bjarne", 2'000'000},
    customer{"carol", 2'000'000},    customer{"dennis", 2'000'000},   customer{"dorothy", 2'000'000}, customer{"donald", 2'000'000},
    customer{"edsger", 2'000'000},   customer{"emmy", 2'000'000},     customer{"frances", 2'000'000}, customer{"grace", 2'000'000},
    customer{"hedy", 2'000'000},     customer{"ida", 2'000'000},      customer{"james", 2'000'000},   customer{"jean", 2'000'000},
    customer{"joan", 2'000'000},     customer{"john", 2'000'000},     customer{"karen", 2'000'000},   customer{"katherine", 2'000'000},
    customer{"ken", 2'000'000},      customer{"leslie", 2'000'000},   customer{"lise", 2'000'000},    customer{"lynn", 2'000'000},
    customer{"margaret", 2'000'000}, customer{"mary", 2'000'000},     customer{"maurice", 2'000'000}, customer{"niklaus", 2'000'000},
    customer{"radia", 2'000'000},    customer{"rosalind", 2'000'000}, customer{"shafi", 2'000'000},   customer{"sophie", 2'000'000},
    customer{"stephen", 2'000'000},  customer{"tim", 2'000'000},      customer{"tony", 2'000'000},    customer{"oliver", 90'000},
    customer{"paula", 110'000},      customer{"quentin", 70'000},     customer{"ursula", 130'000},    customer{"victor", 100'000},
};

// What each kind of database calls a number that counts by itself.
std::string counting(soci::session& sql)
{
    auto const kind = sql.get_backend_name();
    return kind == "postgresql" ? "bigserial primary key" : kind == "mysql" ? "bigint auto_increment primary key" : "integer primary key";
}

// The last table that a database is given: MySQL commits each of them by itself, so what is there may be half of it.
void make_ledger(soci::session& sql)
{
    sql << "create table ledger (gid varchar(128), branch varchar(20), operation varchar(20), subject varchar(100), amount bigint)";
}

// One local transaction each: a process killed in here leaves a database that has not been begun.
bool is_new(soci::session& sql)
{
    auto const kind = sql.get_backend_name();
    int        ledgers = 0;
    if (kind == "sqlite3")
        sql << "select count(*) from sqlite_master where name = 'ledger'", soci::into(ledgers);
    else
        sql << "select count(*) from information_schema.tables where table_name = 'ledger' and table_schema = " +
                   std::string(kind == "mysql" ? "database()" : "current_schema()"),
            soci::into(ledgers);
    if (ledgers == 0 && kind == "mysql")
        for (auto const* table : {"orders", "receipts", "stock", "accounts", "till"})
            sql << "drop table if exists " + std::string(table);
    return ledgers == 0;
}

void set_up_orders(soci::session& sql)
{
    if (!is_new(sql))
        return;
    sql << "create table orders (id varchar(64) primary key, customer varchar(64), article varchar(64), quantity bigint, cents bigint, "
           "state "
           "varchar(20))";
    sql << "create table receipts (number " + counting(sql) + ", order_id varchar(64), cents bigint)";
    make_ledger(sql);
}

void set_up_stock(soci::session& sql)
{
    if (!is_new(sql))
        return;
    sql << "create table stock (article varchar(64) primary key, on_hand bigint, reserved bigint, sold bigint, opening bigint)";
    for (auto const& a : opening_stock)
    {
        std::string const name = a.name;
        sql << "insert into stock values (:article, :pieces, 0, 0, :pieces)", soci::use(name, "article"), soci::use(a.pieces, "pieces");
    }
    make_ledger(sql);
}

void set_up_accounts(soci::session& sql)
{
    if (!is_new(sql))
        return;
    sql << "create table accounts (customer varchar(64) primary key, balance bigint, opening bigint)";
    for (auto const& c : opening_balances)
    {
        std::string const name = c.name;
        sql << "insert into accounts values (:customer, :cents, :cents)", soci::use(name, "customer"), soci::use(c.cents, "cents");
    }
    sql << "create table till (balance bigint)";
    make_ledger(sql);
}

// As in any URL, what means something there is written as a code.
std::string url_of(std::filesystem::path const& file)
{
    std::string url = "sqlite://";
    for (char const c : std::filesystem::absolute(file).string())
        if (c == '%')
            url += "%25";
        else if (c == '?')
            url += "%3F";
        else
            url += c;
    return url;
}

}  // namespace

std::string shop_place::url(std::string const& database) const
{
    return server.empty() ? url_of(directory / (database + ".db")) : server + '_' + database;
}

shop::shop(shop_place const& where)
    : orders(where.url("orders"))
    , stock(where.url("stock"))
    , accounts(where.url("accounts"))
    , on_server(!where.server.empty())
{
    orders.run(&set_up_orders);
    stock.run(&set_up_stock);
    accounts.run(&set_up_accounts);
}

std::unique_ptr<weft::store> open_transactions(shop_place const& where, if_missing what)
{
    if (!where.server.empty())
        return weft::open_store(where.url("weft"));
    std::error_code ignored;
    auto const&     directory = where.directory;
    if (!std::filesystem::exists(directory, ignored))
        throw bad_input("there is no directory " + directory.string() +
                        (what == if_missing::make ? " (mkdir it, and the shop's databases will be made in it)" : ""));
    if (!std::filesystem::is_directory(directory, ignored))
        throw bad_input(directory.string() + " is not a directory");
    if (what == if_missing::refuse && !std::filesystem::exists(directory / "weft.db", ignored))
        throw bad_input(directory.string() + " holds no shop: it has no weft.db (`order load` and `order place` make one)");
    return weft::open_store(where.url("weft"));
}
