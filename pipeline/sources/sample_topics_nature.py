"""Topics of nature for the sample, as text; `sample_topics` reads it.

A block is one topic: a line `name: keywords | nouns`, then its facts, one plain sentence each.
"""

TEXT = """
tides: tide, tidal | moon, beach, harbor, ocean, shore, sailor
The pull of the moon causes most tides. Many coasts see two high tides every day.
Tides are strongest near a full or new moon. Sailors check the tide before leaving the harbor.
Low tide leaves small pools of water among the rocks. Crabs and shorebirds often feed when the water is low.

bees: bees, honeybee, beehive, beekeeper | flower, honey, nectar, pollen, wax, queen
Bees carry pollen from flower to flower. Honeybees make honey from the nectar of flowers.
Worker bees build their combs out of wax. A honeybee shows others the way to food by dancing.
Most kinds of bees live alone rather than in large groups. One queen lays nearly all the eggs in a hive.

rain: rain | cloud, puddle, umbrella, drop, storm, river
Rain falls when drops in a cloud grow too heavy. Gentle rain helps crops grow in the fields.
Heavy rain can make rivers rise and flood their banks. Rain often leaves a fresh smell on dry soil.
People collect rain in barrels to water their plants. Large drops look more like flat buns than tears.

snow: snow | winter, mountain, sled, mitten, ice, scarf
Snow forms high in the clouds when the air is cold. Most snow crystals have six sides.
Fresh snow traps air and keeps the ground below warmer. Melting snow fills mountain streams in the spring.
A blanket of snow makes a street sound quieter. Children build round figures with a carrot for a nose.

volcanoes: volcano, volcanic, lava | lava, ash, crater, mountain, magma, island
Volcanoes are openings where melted rock reaches the surface.
Melted rock is called lava once it leaves the ground.
Many volcanoes stand in a ring around the Pacific Ocean. Volcanic soil is often rich and good for farming.
Some islands were built by volcanoes rising from the sea. Ash from an eruption can travel far on the wind.

rivers: river | water, bridge, fish, bank, valley, boat
Rivers carry fresh water from high ground to the sea. Many old cities were built beside rivers.
A river can cut a deep valley over many years. Rivers bring rich mud to the fields along their banks.
Fish such as salmon swim up rivers to lay their eggs. Small streams join together as they run downhill.

deserts: desert | sand, cactus, camel, dune, sun, lizard
Deserts get very little rain in a year. Some deserts are cold and covered with ice or gravel.
Desert plants often store water in thick stems. Many desert animals sleep by day and hunt at night.
Desert nights can be chilly because dry air loses heat quickly.
Strong wind shapes loose sand into long dunes.

owls: owl | feather, forest, mouse, night, nest, branch
Owls hunt mice and insects mostly at night. Soft feathers let owls fly almost without a sound.
An owl can turn its head very far to each side. Barn owls find mice in the dark by hearing alone.
Owls swallow small prey whole and cough up the bones. Large eyes gather more light in a dark forest.

whales: whale | ocean, calf, tail, song, krill, boat
Whales breathe air through blowholes on top of their heads. Blue whales are the largest animals on Earth.
Humpback whales sing long songs under the water. Whales feed milk to their young.
Many whales swim long distances between cold and warm seas. Some of the largest sea animals eat tiny shrimp.

spiders: spider | web, silk, thread, insect, leg, corner
All spiders have eight legs and no wings. Many spiders spin silk webs to catch insects.
Spider silk is very strong for its weight. Some spiders hunt by jumping on their prey.
Baby spiders can drift on the wind with a silk thread. Most webs are easiest to see in the morning dew.

butterflies: butterfl | wing, flower, caterpillar, garden, nectar, leaf
Butterflies start life as tiny eggs on a leaf. A caterpillar changes into a butterfly inside a hard case.
Tiny scales give butterfly wings their bright colors. Butterflies taste sweet things with their feet.
Monarch butterflies fly south to spend the winter. Long hollow tongues help them drink nectar from flowers.

frogs: frog, tadpole | pond, lily, fly, log, swamp, egg
Frogs lay their eggs in water. Tadpoles lose their tails as they grow into frogs.
A frog takes in water through its skin. Frogs catch flies with long sticky tongues.
Male frogs call loudly on warm spring nights. Strong back legs let them leap many times their length.

penguins: penguin | ice, fish, egg, feather, colony, sea
Penguins are birds that swim but cannot fly. Emperor penguins keep their eggs warm on their feet.
Penguins use their stiff wings as flippers. Groups of penguins huddle together to stay warm.
Most penguins live in the southern half of the world. Thick feathers keep cold water away from the skin.

elephants: elephant | trunk, tusk, ear, herd, grass, calf
Elephants are the largest animals that live on land. An elephant uses its trunk to drink and to lift food.
African elephants cool themselves by flapping their large ears.
Elephants live in herds led by an older female. Wild elephants eat grass and bark for most of the day.
A newborn calf can stand soon after birth.

horses: horse | saddle, stable, hay, hoof, rider, mane
Horses can sleep while standing up. A young horse is called a foal.
Horses eat grass and hay during most of the day. People have ridden horses for thousands of years.
Horses show their mood with their ears. Metal shoes protect hooves on hard roads.

dogs: dog, puppy, puppies | leash, bone, ball, park, collar, tail
Dogs have a far better sense of smell than people. Puppies are born with their eyes closed.
Dogs cool down by panting with their mouths open. Guide dogs help blind people walk safely in town.
All dogs share an ancestor with the gray wolf. Daily walks keep pets healthy and calm.

cats: cats, kitten | whisker, paw, yarn, mouse, tail, sofa
Cats sleep for more than half of the day. Kittens learn to hunt by playing with each other.
Cats use their whiskers to judge narrow spaces. Most cats wash their fur with rough tongues.
Cats can see well in very dim light. Sharp claws slide back into soft paws when not needed.

trees: tree | leaf, root, bark, branch, forest, seed
Trees take in carbon dioxide and give off oxygen. The rings inside a tree trunk show its age.
Tree roots hold the soil in place. Some pine trees have lived for thousands of years.
Many trees drop their leaves before winter. Shade from a leafy branch keeps a street cool.

mushrooms: mushroom | forest, soil, cap, stem, soup, log
Mushrooms are neither plants nor animals. Most of a mushroom's body grows hidden in soil or wood.
Mushrooms spread by dropping tiny spores. Many mushrooms help to break down dead leaves.
Some wild mushrooms are poisonous to people. Damp autumn woods are good places to spot colorful caps.

sunflowers: sunflower | seed, petal, stem, field, bee, oil
Young sunflowers turn to follow the sun. A sunflower head is made of many tiny flowers.
Sunflower seeds are pressed to make cooking oil. Tall sunflowers can grow higher than a door.
Birds like to eat ripe sunflower seeds. Bright yellow petals draw bees and other insects.

clouds: cloud | sky, rain, wind, storm, sun, airplane
Clouds are made of tiny drops of water or ice. Fog is a cloud that touches the ground.
Thin high clouds are made of ice crystals. Dark clouds often bring heavy rain.
Clouds reflect sunlight and help to cool the land.
Warm air rises and cools until its water gathers in drops.

rainbows: rainbow | sunlight, rain, color, sky, arc, prism
Rainbows appear when sunlight passes through drops of water. Red is on the outer edge of a main rainbow.
People see a rainbow with the sun behind them. Rainbows can also be seen in the spray of waterfalls.
A double rainbow has its colors in reverse order on top. Each drop bends light and splits it into colors.

earthquakes: earthquake, quake | fault, ground, building, wave, crack, rescue
Earthquakes happen when blocks of rock slip past each other.
Most earthquakes are too weak for people to feel. Scientists measure earthquakes with a seismograph.
Strong earthquakes under the sea can cause giant waves. Flexible buildings are safer during earthquakes.
Small shocks often follow a large one for many days.

glaciers: glacier | ice, mountain, valley, snow, lake, stone
Glaciers are slow rivers of ice. Glaciers form where snow piles up for many years.
Moving glaciers carve wide valleys in the rock. Glaciers store most of the fresh water on Earth.
Many glaciers shrink when summers become warmer. Thick old ice often looks blue to the eye.

coral reefs: coral, reef | fish, sponge, shell, diver, lagoon, turtle
Coral reefs are built by tiny sea animals. Reefs give shelter to a quarter of all sea fish.
Most coral reefs grow in warm and shallow water. Coral turns pale when the sea becomes too hot.
A reef protects the shore from large waves. Divers must take care not to touch or break anything.

caves: cave | bat, lamp, rock, tunnel, stream, shadow
Many caves form when water slowly dissolves limestone. Bats often rest in caves during the day.
Early people painted animals on the walls of caves. Stone icicles hang from the roof of some caves.
The air in a deep cave stays cool all year. Explorers wear helmets and carry more than one lamp.

comets: comet | tail, ice, dust, telescope, star, orbit
Comets are balls of ice and dust. A comet grows a tail when it nears the sun.
The tail of a comet always points away from the sun. Some comets return after many years.
Halley's comet passes Earth about every seventy-six years.
Sunlight turns frozen gas into a bright glowing cloud.

lightning: lightning | storm, thunder, cloud, flash, metal rod, sky
Lightning is a giant spark of electricity. Lightning heats the air and causes thunder.
Metal rods protect tall buildings from lightning. Lightning is hotter than the surface of the sun.
A car is a fairly safe place during lightning.
Thunder arrives later because sound travels slower than light.

bamboo: bamboo | panda, forest, basket, stem, flute, fence
Bamboo is a kind of grass. Some bamboo can grow more than a foot in one day.
Giant pandas eat bamboo for most of the day. Builders in Asia use bamboo for tall scaffolds.
The stems of most bamboo are hollow between the joints. Craftsmen weave thin strips into baskets and mats.

fireflies: firefl | glow, meadow, summer, jar, wing, light
Fireflies are beetles that can make light. Fireflies flash to find a mate.
Each kind of firefly has its own pattern of flashes. The glow of a firefly gives off almost no heat.
Bright street lamps make it hard for fireflies to meet. Warm summer evenings are the best time to watch.

dolphins: dolphin | fin, wave, pod, fish, ocean, whistle
Dolphins live in groups called pods. Dolphins find fish by listening for echoes.
Each dolphin has its own whistle. Dolphins must come to the surface to breathe.
Sleeping dolphins rest only half of the brain at once. Fast swimmers often ride the waves beside boats.

camels: camel | hump, desert, sand, caravan, saddle, milk
Camels store fat in their humps. Camels can go many days without drinking.
Wide feet keep camels from sinking into sand. Long lashes protect the eyes of camels from dust.
Traders once crossed deserts with long lines of camels. A thirsty animal can drink a huge amount at once.

squirrels: squirrel | nut, acorn, tail, tree, nest, branch
Squirrels bury nuts to eat in winter. Forgotten nuts from squirrels can grow into new trees.
A squirrel uses its bushy tail for balance. The front teeth of squirrels never stop growing.
Flying squirrels glide between trees on flaps of skin. Leafy nests high in branches keep families dry.
"""
