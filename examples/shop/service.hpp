// A service of the shop: HTTP on loopback, JSON in and out, and a SQLite database.
#pragma once

#include "purchase.hpp"

#include <weft/sql.hpp>

#include <boost/json/object.hpp>

#include <functional>
#include <map>
#include <string>
#include <type_traits>

class service
{
public:
    // The file is made if it is not there; `set_up` makes its tables.
    service(std::string name, std::string const& file, void (*set_up)(soci::session&));

    weft::database& database() noexcept { return database_; }

    // POST `path`: one operation of one branch, and its business, in one local transaction with the barrier. So whatever arrives twice, late or
    // in the wrong order takes effect once.
    template <class Business>
    void operation(std::string path, Business business);

    // POST `path`: anything else.
    void post(std::string path, std::function<boost::json::object(purchase const&)> work);

    // GET `path`.
    void get(std::string path, boost::json::object (*read)(soci::session&));

    // Serves for ever, and says where on stdout. Port 0: any free one.
    void run(unsigned short port);

    struct request
    {
        std::string method, path, query, body;
    };
    struct reply
    {
        int                 status = 200;
        boost::json::object body;
    };
    reply answer(request const&) const;  // from any thread

private:
    using handler = std::function<boost::json::object(request const&)>;

    static purchase purchase_in(request const&);

    std::string                    name_;
    weft::database                 database_;
    std::map<std::string, handler> handlers_;  // by "POST /path"
};

// The business is a function of the session and the purchase; it throws weft::failure to say no.
template <class Business>
void service::operation(std::string path, Business business)
{
    handlers_["POST " + path] = [this, business](request const& r) {
        auto const wanted = purchase_in(r);
        return database_.run([&](soci::session& sql) {
            auto                  guard = weft::barrier::from_query(r.query);
            weft::soci_connection connection(sql);
            boost::json::object   result{{"dtm_result", "SUCCESS"}};
            if constexpr (std::is_void_v<std::invoke_result_t<Business, soci::session&, purchase const&>>)
                guard.call(connection, [&] { business(sql, wanted); });
            else
                result["number"] = guard.call(connection, [&] { return business(sql, wanted); });
            return result;
        });
    };
}

// True if the statement met a row.
bool changes(soci::statement& statement);
