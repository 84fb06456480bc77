'use strict';

require('./engine').run('post');
