"""Topics of food, travel, work and play for the sample, as text; `sample_topics` reads it.

A block is one topic: a line `name: keywords | nouns`, then its facts, one plain sentence each.
"""

TEXT = """
bread: bread, loaf, loaves | flour, oven, yeast, butter, crust, bakery
Bread is made from flour and water. Yeast makes bread dough rise in a warm place.
Hot ovens give bread a brown crust. Flat bread is baked without yeast in many countries.
Stale bread can be turned into crumbs or toast. Bakers often start their work long before sunrise.

bicycles: bicycle, bike, cyclist | wheel, pedal, chain, helmet, brake, bell
Bicycles turn the push of the legs into motion. A bicycle chain carries power to the back wheel.
Cyclists wear helmets to protect their heads. Bicycles make no smoke and need little space.
Low gears help a bicycle climb steep hills. Air in the tires softens the ride over bumps.

libraries: librar | book, shelf, card, reader, desk, story
Libraries lend books to people for free. Many libraries also offer computers and quiet rooms.
A librarian helps visitors find the right book. Libraries keep old newspapers for later readers.
Most libraries hold story hours for young children. Numbers on the spine show where each book belongs.

coffee: coffee, espresso | cup, bean, milk, mug, sugar, kitchen
Coffee comes from the seeds of a small fruit. Roasting turns green coffee beans brown.
Coffee contains caffeine and helps people stay awake. Brazil grows more coffee than any other country.
Espresso is made by pushing hot water through fine grounds. Fresh beans smell best soon after grinding.

cheese: cheese, cheddar | milk, cracker, cow, knife, cellar, goat
Most cheese is made from the milk of cows. Salt helps cheese keep for a long time.
Many cheeses rest in cool cellars for months. Blue cheese gets its color from a safe mold.
The holes in Swiss cheese are made by gas bubbles. Goats and sheep give milk with a strong flavor.

chocolate: chocolate, cocoa, cacao | candy, cake, sugar, milk, bean, gift
Chocolate is made from the beans of the cacao tree. Dark chocolate contains more cocoa than milk chocolate.
Cacao trees grow in warm and rainy places. Ancient people in Mexico drank chocolate without sugar.
White chocolate is made with cocoa butter but no cocoa powder. Too much heat makes a candy bar melt.

soup: soup, broth | bowl, spoon, carrot, onion, pot, noodle
Soup is an easy way to use leftover vegetables. A good soup often starts with a clear broth.
Cold soup is a common dish in hot summers. Beans can make a soup thick and filling.
Hot soup feels good on a winter evening. Slow cooking brings out the flavor of onions and carrots.

pizza: pizza | cheese, oven, tomato, dough, basil, slice
Pizza as we know it comes from Naples in Italy. A basic pizza has tomato sauce and cheese.
Very hot ovens bake a thin pizza in minutes. Pizza dough needs time to rest and rise.
Many people eat pizza with their hands. Fresh basil leaves add color and a sweet smell.

potatoes: potato | fry, soil, farm, soup, butter, skin
Potatoes grow under the ground in loose soil. Potatoes first came from the mountains of South America.
A potato can sprout new plants from its eyes. Green potatoes should not be eaten.
Boiled potatoes are the base of many simple meals. Farmers lift the crop when the leaves turn yellow.

tomatoes: tomato | salad, sauce, garden, vine, basil, seed
Tomatoes are fruits that cooks treat as vegetables. Most tomatoes turn red when they are ripe.
Tomato plants need plenty of sun and water. Tomatoes taste best when kept out of the fridge.
Cherry tomatoes are small and sweet. Tall vines often need a stick for support.

apples: apple | pie, tree, orchard, juice, seed, basket
Apples grow on trees in cool climates. There are thousands of kinds of apples.
A cut apple turns brown in the air. Pressed apples give juice and cider.
Apple trees bloom with pale flowers in spring. Most orchards pick their fruit in early autumn.

bananas: banana | peel, bunch, fruit, smoothie, monkey, bread
Bananas grow in large hanging bunches. Most bananas are picked while they are still green.
Ripe bananas are soft and sweet. The banana plant is a giant herb and not a tree.
Brown bananas are good for baking bread. A thick peel protects the fruit on long trips.

gardens: garden | soil, flower, seed, shovel, hose, fence
Gardens give food and shelter to birds and insects. A vegetable garden needs good soil and sunlight.
Gardeners pull weeds so that other plants have room. Herb gardens can fit on a sunny window sill.
Compost turns kitchen scraps into food for a garden. Early morning is a good time to water plants.

trains: train, railway, locomotive | track, station, ticket, engine, whistle, conductor
Trains run on two long steel rails. Steam engines pulled the first trains.
Electric trains take their power from a wire or rail. A freight train can carry the load of many trucks.
The fastest trains link large cities in a few hours. Conductors check tickets and help passengers.

sailboats: sailboat, sailor, sail | wind, mast, rope, anchor, lake, deck
Sailboats use the wind to move. A sailboat can travel against the wind in a zigzag.
A heavy keel keeps a sailboat from tipping over. Sailors pull on ropes to set the sails.
Small sailboats are good for learning on calm lakes. Life jackets keep people safe on the water.

airplanes: airplane, aircraft, pilot | wing, airport, engine, seat, runway, cloud
Airplane wings are shaped to lift the craft into the air. Jet engines push airplanes forward with hot gas.
Two pilots usually fly a large passenger airplane. Most airplanes fly above the clouds on long trips.
The first powered airplane flew in 1903. Cabin air is kept at a safe pressure for passengers.

bridges: bridge | river, road, cable, arch, steel, train
Bridges carry roads over rivers and valleys. Arch bridges have been built since ancient times.
Strong cables hold up the deck of a suspension bridge. Engineers test bridges to keep them safe.
Steel bridges grow slightly longer on hot days. Some crossings can open to let tall ships pass.

lighthouses: lighthouse | lamp, coast, ship, tower, rock, storm
Lighthouses warn ships about dangerous rocks. Curved glass lenses make a lighthouse beam very bright.
Each lighthouse has its own pattern of flashes. Keepers once lived in lighthouses to tend the lamps.
Most lighthouses now work without a keeper. White and red stripes make a tower easy to see.

museums: museum | painting, statue, ticket, guide, fossil, gallery
Museums keep old and rare things safe. Many museums let visitors in for free on some days.
Science museums often let children touch and try things. Art museums control light to protect paintings.
A museum guide tells the story behind each object. Large collections are mostly kept in store rooms.

clocks: clock | hand, alarm, tower, wall, minute, bell
Clocks help people agree on the time. Early clocks used water or sand. A pendulum keeps a tall clock steady.
Atomic clocks are the most exact in the world.
Cuckoo clocks have been made in the Black Forest for centuries. The short hand shows the hour.

mirrors: mirror | glass, bathroom, light, frame, face, silver
Mirrors reflect light in a regular way. Most mirrors are sheets of glass with a thin metal layer.
Drivers use mirrors to see the road behind them. Curved mirrors can make things look larger or smaller.
Large telescopes gather light with a mirror. Steam from a hot bath makes cold glass foggy.

candles: candle | wax, wick, flame, match, birthday, holder
Candles burn wax to make light. The wick of a candle draws up melted wax.
Beeswax candles give off a sweet smell. People put candles on a birthday cake.
A candle goes out when it has no air. Open flames should never be left alone in a room.

pencils: pencil | paper, eraser, desk, drawing, wood, school
Pencils contain graphite and no lead. Most pencils have a case made of soft wood.
Hard pencils make thin and light lines. A pencil can write upside down and even under water.
Artists use soft pencils for dark shading. Small rubber tips make it easy to fix mistakes.

paper: paper | book, printer, letter, wood, envelope, scissors
Most paper is made from wood. Paper was first made in China. Used paper can be recycled several times.
Thick paper is better for painting with water. Folding paper into shapes is called origami.
Mills press and dry wet fibers into thin sheets.

maps: maps, mapmaker, atlas | road, compass, city, legend, river, border
Maps show places from above at a small size. Most maps place north at the top.
The key on printed maps explains each symbol. Early mapmakers drew coasts from the reports of sailors.
Flat maps always stretch some parts of the round Earth. Phones find a location with signals from satellites.

umbrellas: umbrella, parasol | rain, handle, puddle, coat, street, wind
Umbrellas keep people dry in the rain. Thin metal ribs hold an umbrella open.
The first umbrellas were used as shade from the sun. Strong wind can turn an umbrella inside out.
Folding umbrellas fit inside a small bag. Many people forget theirs on trains and buses.

kites: kite | string, wind, tail, park, paper, frame
Kites fly when wind pushes against their surface. A long tail keeps a kite steady.
Kites were first flown in China long ago. Flying kites near power lines is dangerous.
Some kites are shaped like dragons or birds. A wide beach is a fine place for steady wind.

pianos: piano | key, music, pedal, bench, song, concert
Most pianos have eighty-eight black and white keys. Small hammers strike the strings inside a piano.
Pianos need to be tuned about once a year. The piano was invented in Italy around 1700.
A grand piano has strings that lie flat. Pedals let the notes ring longer or sound softer.

guitars: guitar | string, song, band, pick, stage, wood
Most guitars have six strings and a long neck. An electric guitar needs an amplifier to be loud.
The hollow body of a guitar makes the sound louder. Players press guitar strings to change the notes.
Spanish guitars often use soft nylon strings. Regular practice makes the fingertips hard.

drums: drum | stick, band, beat, march, rhythm, skin
Drums are among the oldest musical instruments. A drum makes sound when its skin shakes.
Tight skins give a drum a higher sound. Marching bands use drums to keep in step.
Some drums were used to send messages over distance. Players strike the surface with sticks or hands.

chess: chess, checkmate | board, king, queen, pawn, clock, knight
Chess is a game for two players. A chess board has sixty-four squares.
The chess queen is the most powerful piece on the board. A game of chess ends when a king is trapped.
Early forms of chess were played in India. Strong players think many moves ahead.

soccer: soccer | ball, goal, team, field, referee, coach
Soccer teams have eleven players on the field. Only the soccer goalkeeper may use hands during play.
A soccer match lasts ninety minutes. The largest soccer event is the World Cup.
Children can play soccer with only a ball. A red card sends a player off the field.

swimming: swim | pool, lake, goggles, towel, wave, coach
Swimming uses almost every muscle in the body. Swimmers wear goggles to see under the water.
Swimming is gentle on the knees and hips. The front crawl is the fastest way to swim.
Beginners should swim only with a grown person nearby. Warm showers help the body relax after a cold pool.

cameras: camera, photograph | lens, photo, flash, film, album, tripod
Cameras record light to make a picture. The lens of a camera bends light onto a sensor.
Early cameras needed people to sit still for minutes. Photographers use a tripod to hold the camera steady.
A fast shutter lets a camera freeze quick motion. Soft evening light is kind to faces.

windmills: windmill | wind, blade, grain, farm, tower, flour
Windmills turn the force of the wind into work. Old windmills were used to grind grain into flour.
Windmills in the Netherlands pumped water off the land. The blades of a windmill must face the wind.
Some old windmills are now homes or museums. Modern turbines make electric power instead of flour.
"""
