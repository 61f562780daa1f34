#include "order_file.hpp"

#include "shop.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <unordered_map>

namespace {

constexpr std::int64_t most = 1'000'000'000;  // of anything: sums of them stay far from the end of the numbers

order parsed(std::string const& line)
{
    boost::json::error_code ec;
    auto const              value = boost::json::parse(line, ec);
    if (ec)
        throw bad_input("not JSON: " + ec.message());
    auto const* object = value.if_object();
    if (!object)
        throw bad_input("not a JSON object");
    for (auto const& [key, v] : *object)
    {
        bool const is_text = key == "id" || key == "customer" || key == "article";
        bool const is_number = key == "quantity" || key == "cents";
        if (!is_text && !is_number)
            throw bad_input("an order has no \"" + std::string(key) + "\"");
        if (is_text && !v.is_string())
            throw bad_input("\"" + std::string(key) + "\" is not a text");
        if (is_number && !v.is_int64())
            throw bad_input("\"" + std::string(key) + "\" is not a whole number");
    }
    for (auto const* key : {"id", "customer", "article", "quantity", "cents"})
        if (!object->contains(key))
            throw bad_input("\"" + std::string(key) + "\" is missing");
    auto o = boost::json::value_to<order>(value);
    if (auto const wrong = wrong_with(o); !wrong.empty())
        throw bad_input(wrong);
    return o;
}

}  // namespace

std::string wrong_with(order const& o)
{
    // The id becomes the transaction's gid.
    if (o.id.empty() || o.id.size() > 128)
        return "the id is " + std::string(o.id.empty() ? "empty" : "longer than 128 bytes");
    if (o.quantity < 1 || o.quantity > most)
        return "the quantity is " + std::to_string(o.quantity) + ", and must be 1 to " + std::to_string(most);
    if (o.cents < 0 || o.cents > most)
        return "the price is " + std::to_string(o.cents) + " cents, and must be 0 to " + std::to_string(most);
    return {};
}

std::vector<order> read_orders(std::filesystem::path const& file)
{
    std::error_code ignored;
    if (std::filesystem::is_directory(file, ignored))
        throw bad_input(file.string() + " is a directory, not a file of orders");
    std::ifstream in(file);
    if (!in)
        throw bad_input("cannot read " + file.string() + ": " + std::strerror(errno));

    std::vector<order>                           orders;
    std::unordered_map<std::string, std::size_t> lines;
    std::string                                  line;
    for (std::size_t number = 1; std::getline(in, line); ++number)
    {
        if (!line.empty() && line.back() == '\r')
            line.pop_back();
        if (line.empty())
            continue;
        try
        {
            auto o = parsed(line);
            if (auto const [first, is_new] = lines.try_emplace(o.id, number); !is_new)
                throw bad_input("the id \"" + o.id + "\" was used on line " + std::to_string(first->second) + " already");
            orders.push_back(std::move(o));
        }
        catch (std::exception const& e)
        {
            throw bad_input(file.string() + ", line " + std::to_string(number) + ": " + e.what() + "; nothing was placed");
        }
    }
    if (in.bad())
        throw bad_input("cannot read " + file.string() + ": " + std::strerror(errno));
    if (orders.empty())
        throw bad_input("there are no orders in " + file.string());
    return orders;
}
